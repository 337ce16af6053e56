"""One account: what the desk knows of a user, and the line of the file that says it."""

import re
from dataclasses import dataclass
from typing import get_args

from web.settings import Role
from web.translation import gettext

ROLES: tuple[Role, ...] = get_args(Role)  # from the least to the most rights
LONGEST_NAME = 64
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._@-]{{0,{LONGEST_NAME - 1}}}")
_LINE = re.compile(rf"({_NAME.pattern}):({'|'.join(ROLES)}):(\$argon2id\$[^\s:]+)(?::([a-z,]+))?")
_FLAGS = {"must_change": "change", "has_second_factor": "totp", "is_disabled": "disabled"}


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
        has_second_factor: a login also needs a code of an authenticator app.
        is_disabled: the user cannot log in.
    """

    name: str
    role: Role
    password_hash: str
    must_change: bool = False
    has_second_factor: bool = False
    is_disabled: bool = False

    @property
    def fingerprint(self) -> str:
        """What a session remembers of the account, so that it ends when the password or the role changes."""
        return f"{self.role}:{self.password_hash[-16:]}"

    @property
    def is_active_admin(self) -> bool:
        """Whether the user can log in and manage the others."""
        return self.role == "admin" and not self.is_disabled

    def to_line(self) -> str:
        """Return the line of the file: ``name:role:hash``, and the flags behind it."""
        flags = ",".join(word for field, word in _FLAGS.items() if getattr(self, field))
        return ":".join(filter(None, (self.name, self.role, self.password_hash, flags)))


def from_line(line: str) -> Account | None:
    """Return the account of a line; None if it is not one."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    name, role, password_hash, words = match.groups()
    flags = set(words.split(",")) if words else set()
    if not flags <= set(_FLAGS.values()):
        return None
    known_role = next(known for known in ROLES if known == role)
    return Account(name, known_role, password_hash, **{field: word in flags for field, word in _FLAGS.items()})


def check_name(name: str) -> None:
    """Check that an account may have this name.

    Raises:
        AccountsError: it may not.
    """
    if not _NAME.fullmatch(name):
        text = gettext(
            "'%(name)s' is not a name for an account: use letters, digits and . _ @ - only, at most %(most)s"
        )
        raise AccountsError(text % {"name": ascii(name)[1:-1], "most": LONGEST_NAME})
