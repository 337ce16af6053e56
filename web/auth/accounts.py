"""Who may do what: a file of names, roles and hashed passwords."""

import contextlib
import os
import re
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from web.settings import Role

ROLES: tuple[Role, ...] = get_args(Role)  # from the least to the most that one may do
SHORTEST_PASSWORD = 10
_CHECKS_AT_ONCE = 2  # Argon2 takes 64 MiB and four threads for each; the rest wait their turn
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LINE = re.compile(rf"({_NAME.pattern}):({'|'.join(ROLES)}):(\$argon2id\$\S+)")


class AccountsError(ValueError):
    """The accounts cannot be read, or a new one cannot be taken; the message says why."""


@dataclass(frozen=True)
class Account:
    """One line of the file."""

    name: str
    role: Role
    password_hash: str

    @property
    def fingerprint(self) -> str:
        """What a session remembers of the account, so that it ends with a change of password or role."""
        return f"{self.role}:{self.password_hash[-16:]}"


class Accounts:
    """The accounts of ``WEB_DIR/accounts``, a line each: ``name:role:hash`` (Argon2id).

    The file is read again when it changes, so that ``python -m web add-user`` needs no restart.

    Args:
        folder: ``WEB_DIR``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "accounts"
        self.first_password_path = folder / "admin-password"
        self._hasher = PasswordHasher()
        self._checks = threading.BoundedSemaphore(_CHECKS_AT_ONCE)
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._accounts: dict[str, Account] = {}
        # What an unknown name is checked against, so that it takes as long as a known one.
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def all(self) -> dict[str, Account]:
        """Return the accounts by name.

        Raises:
            AccountsError: a line cannot be read.
        """
        with self._lock:
            try:
                status = self.path.stat()
            except FileNotFoundError:
                self._seen, self._accounts = None, {}
                return {}
            seen = (status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                self._accounts = self._read()
                self._seen = seen
            return self._accounts

    def check(self, name: str, password: str) -> Account | None:
        """Return the account that name and password open; None if they open none."""
        account = self.all().get(name)
        try:
            with self._checks:
                self._hasher.verify(account.password_hash if account else self._nobody, password)
        except VerificationError:
            return None
        return account

    def add(self, name: str, role: Role, password: str) -> None:
        """Add an account, or change role and password of the one of this name.

        Raises:
            AccountsError: the name holds other signs than letters, digits, ``.``, ``_``, ``@`` and ``-``, or the
                password is too short.
        """
        if not _NAME.fullmatch(name):
            raise AccountsError(f"{name!r} is no name for an account: letters, digits and . _ @ - only, at most 64")
        if len(password) < SHORTEST_PASSWORD:
            raise AccountsError(f"the password must have at least {SHORTEST_PASSWORD} characters")
        accounts = {**self.all(), name: Account(name, role, self._hasher.hash(password))}
        lines = "".join(f"{a.name}:{a.role}:{a.password_hash}\n" for a in accounts.values())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_private(self.path, lines, 0o600)

    def create_admin(self) -> Path | None:
        """Create the account ``admin`` with a random password where there is none at all.

        Returns:
            The file, readable by its owner alone, that holds the password; None if there were accounts.
        """
        if self.all():
            return None
        password = secrets.token_urlsafe(18)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_private(self.first_password_path, f"{password}\n", 0o400)
        self.add("admin", "admin", password)
        return self.first_password_path

    def _read(self) -> dict[str, Account]:
        accounts = {}
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            match = _LINE.fullmatch(line.strip())
            if match is None:
                if line.strip() and not line.startswith("#"):
                    raise AccountsError(f"{self.path}: line {number} is not name:role:hash; `python -m web add-user`")
                continue
            name, role, password_hash = match.groups()
            accounts[name] = Account(name, next(known for known in ROLES if known == role), password_hash)
        return accounts


def write_private(path: Path, content: str, mode: int) -> None:
    """Write a whole file that nobody but its owner can open, over any earlier one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
