"""Who may do what: a file with names, roles and hashed passwords."""

import re
import secrets
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from web.auth.passwords import Passwords, problem_with
from web.private_files import atomic_write, locked, private_folder
from web.settings import Role

ROLES: tuple[Role, ...] = get_args(Role)  # from the least to the most rights
LONGEST_NAME = 64
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._@-]{{0,{LONGEST_NAME - 1}}}")
_MUST_CHANGE = "change"
_LINE = re.compile(rf"({_NAME.pattern}):({'|'.join(ROLES)}):(\$argon2id\$[^\s:]+)(?::({_MUST_CHANGE}))?")


class AccountsError(ValueError):
    """The accounts cannot be read, or a change is refused; the message says why."""


@dataclass(frozen=True)
class Account:
    """One line of the file.

    Attributes:
        name: of the user.
        role: what the user may do.
        password_hash: Argon2id.
        must_change: the user must choose another password before anything else.
    """

    name: str
    role: Role
    password_hash: str
    must_change: bool = False

    @property
    def fingerprint(self) -> str:
        """What a session remembers of the account, so that it ends when the password or the role changes."""
        return f"{self.role}:{self.password_hash[-16:]}"


class Accounts:
    """The accounts in ``WEB_DIR/accounts``, one a line: ``name:role:hash``, and ``:change`` behind a first password.

    The file is read again when it changes, so ``python -m web add-user`` needs no restart. Changes are made under a
    lock that all processes share.

    Args:
        folder: ``WEB_DIR``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "accounts"
        self.first_password_path = folder / "admin-password"
        self._required_path = folder / "accounts.required"
        self._passwords = Passwords()
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._accounts: dict[str, Account] = {}

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
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._accounts = self._read()
                self._seen = seen
            return self._accounts

    @property
    def are_missing(self) -> bool:
        """Whether there is no account although there was one before: a lost file must not open the desk."""
        return not self.all() and self._required_path.exists()

    def check(self, name: str, password: str) -> Account | None:
        """Return the account if the password is right; None otherwise.

        Raises:
            Busy: too many passwords are being checked.
        """
        account = self.all().get(name)
        return account if self._passwords.is_right(password, account.password_hash if account else None) else None

    def add(self, name: str, role: Role, password: str, must_change: bool = False) -> Account:
        """Add an account, or change the role and the password of the one with this name.

        Raises:
            AccountsError: the name or the password is not accepted.
        """
        if not _NAME.fullmatch(name):
            raise AccountsError(
                f"{name!r} is not a name for an account: use letters, digits and . _ @ - only, at most {LONGEST_NAME}"
            )
        if problem := problem_with(password, name):
            raise AccountsError(problem)
        account = Account(name, role, self._passwords.hash(password), must_change)
        private_folder(self.path.parent)
        with locked(self.path.with_name("accounts.lock")):
            self._write({**self.all(), name: account})
        return account

    def change_password(self, account: Account, password: str) -> Account:
        """Give an account the password that its user chose.

        Raises:
            AccountsError: the password is not accepted, or the account is gone.
        """
        if problem := problem_with(password, account.name):
            raise AccountsError(problem)
        changed = replace(account, password_hash=self._passwords.hash(password), must_change=False)
        with locked(self.path.with_name("accounts.lock")):
            accounts = self.all()
            if accounts.get(account.name) != account:
                raise AccountsError("The account was changed in the meantime. Log in again.")
            self._write({**accounts, account.name: changed})
        if account.must_change and account.name == "admin":
            self.first_password_path.unlink(missing_ok=True)
        return changed

    def create_admin(self) -> Path | None:
        """Create the account ``admin`` with a random password if there is no account.

        Returns:
            The file that holds the password; None if there were accounts.
        """
        if self.all():
            return None
        password = secrets.token_urlsafe(18)
        private_folder(self.path.parent)
        atomic_write(self.first_password_path, f"{password}\n", 0o400)
        self.add("admin", "admin", password, must_change=True)
        return self.first_password_path

    def require(self) -> None:
        """Remember that this desk has accounts; see :attr:`are_missing`."""
        if self.all() and not self._required_path.exists():
            atomic_write(self._required_path, "This desk has accounts. Without them it lets nobody in.\n")

    def _read(self) -> dict[str, Account]:
        accounts = {}
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            match = _LINE.fullmatch(line.strip())
            if match is None:
                if line.strip() and not line.startswith("#"):
                    raise AccountsError(
                        f"{self.path}: line {number} is not name:role:hash; write it with `python -m web add-user`"
                    )
                continue
            name, role, password_hash, change = match.groups()
            known_role = next(known for known in ROLES if known == role)
            accounts[name] = Account(name, known_role, password_hash, change is not None)
        return accounts

    def _write(self, accounts: dict[str, Account]) -> None:
        lines = [
            f"{account.name}:{account.role}:{account.password_hash}{f':{_MUST_CHANGE}' * account.must_change}\n"
            for account in accounts.values()
        ]
        atomic_write(self.path, "".join(lines))
        self.require()
