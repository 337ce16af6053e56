"""Who may do what: a file with names, roles and hashed passwords."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from web.auth.account import Account, AccountsError, check_name, from_line
from web.auth.passwords import Passwords, problem_with
from web.private_files import atomic_write, locked, private_folder
from web.settings import Role
from web.translation import gettext


class Accounts:
    """The accounts in ``WEB_DIR/accounts``, one a line: ``name:role:hash``, and flags behind it.

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
        """Return the account if the password is right and the account is not disabled; None otherwise.

        Raises:
            Busy: too many passwords are being checked.
        """
        account = self.all().get(name)
        is_right = self._passwords.is_right(password, account.password_hash if account else None)
        return account if account and is_right and not account.is_disabled else None

    def add(self, name: str, role: Role, password: str, must_change: bool = False) -> Account:
        """Add an account, or change the role and the password of the one with this name.

        Raises:
            AccountsError: the name or the password is not accepted, or no admin would be left.
        """
        check_name(name)
        if problem := problem_with(password, name):
            raise AccountsError(problem)
        added = Account(name, role, self._passwords.hash(password), must_change)
        with self._changing() as accounts:
            if before := accounts.get(name):
                added = replace(added, has_second_factor=before.has_second_factor)
            accounts[name] = added
        return added

    def create(self, name: str, role: Role) -> str:
        """Add an account with a random password, which the first login changes, and return the password.

        Raises:
            AccountsError: the name is not accepted, or an account has it already.
        """
        check_name(name)
        password, account = self._with_random_password(name, role)
        with self._changing() as accounts:
            if name in accounts:
                raise AccountsError(gettext("There is an account %(name)s already.") % {"name": name})
            if not accounts and role != "admin":
                raise AccountsError(gettext("The first account must be an admin, or nobody could add another one."))
            accounts[name] = account
        return password

    def reset_password(self, name: str) -> str:
        """Give an account a random password, which the next login changes, and return the password.

        Raises:
            AccountsError: there is no such account.
        """
        password = secrets.token_urlsafe(18)
        self.change(name, password_hash=self._passwords.hash(password), must_change=True)
        return password

    def change(self, name: str, **fields: Any) -> Account:
        """Change fields of an account: its role, its flags.

        Raises:
            AccountsError: there is no such account, or no admin would be left.
        """
        with self._changing() as accounts:
            changed = replace(_existing(accounts, name), **fields)
            accounts[name] = changed
        return changed

    def remove(self, name: str) -> None:
        """Remove an account. What its user decided stays.

        Raises:
            AccountsError: there is no such account, or no admin would be left.
        """
        with self._changing() as accounts:
            del accounts[_existing(accounts, name).name]

    def change_password(self, account: Account, password: str) -> Account:
        """Give an account the password that its user chose.

        Raises:
            AccountsError: the password is not accepted, or the account is gone.
        """
        if problem := problem_with(password, account.name):
            raise AccountsError(problem)
        changed = replace(account, password_hash=self._passwords.hash(password), must_change=False)
        with self._changing() as accounts:
            if accounts.get(account.name) != account:
                raise AccountsError(gettext("The account was changed in the meantime. Log in again."))
            accounts[account.name] = changed
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
        password, account = self._with_random_password("admin", "admin")
        private_folder(self.path.parent)
        atomic_write(self.first_password_path, f"{password}\n", 0o400)
        with self._changing() as accounts:
            accounts["admin"] = account
        return self.first_password_path

    def require(self) -> None:
        """Remember that this desk has accounts; see :attr:`are_missing`."""
        if self.all() and not self._required_path.exists():
            atomic_write(self._required_path, "This desk has accounts. Without them it lets nobody in.\n")

    def _with_random_password(self, name: str, role: Role) -> tuple[str, Account]:
        password = secrets.token_urlsafe(18)
        return password, Account(name, role, self._passwords.hash(password), must_change=True)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Account]]:
        """Give the accounts to change, and write them; one process at a time.

        Raises:
            AccountsError: the desk had an admin and would have none.
        """
        private_folder(self.path.parent)
        with locked(self.path.with_name("accounts.lock")):
            before = self.all()
            accounts = dict(before)
            yield accounts
            if _has_admin(before) and not _has_admin(accounts):
                raise AccountsError(gettext("This is the last admin. Make another user an admin first."))
            atomic_write(self.path, "".join(f"{account.to_line()}\n" for account in accounts.values()))
            self.require()

    def _read(self) -> dict[str, Account]:
        accounts = {}
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            account = from_line(line.strip())
            if account is None:
                raise AccountsError(
                    f"{self.path}: line {number} is not name:role:hash; write it with `python -m web add-user`"
                )
            accounts[account.name] = account
        return accounts


def _existing(accounts: dict[str, Account], name: str) -> Account:
    if name not in accounts:
        raise AccountsError(gettext("There is no account %(name)s.") % {"name": name})
    return accounts[name]


def _has_admin(accounts: dict[str, Account]) -> bool:
    return any(account.is_active_admin for account in accounts.values())
