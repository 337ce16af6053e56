"""Which passwords are accepted, and how they are stored and checked."""

import re
import secrets
import threading
from functools import cache
from itertools import pairwise
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from web.translation import gettext, number

SHORTEST = 12
LONGEST = 1000
_LEAST_DISTINCT = 5
_CHECKS_AT_ONCE = 2  # Argon2 needs 64 MiB and four threads for each check; further ones wait
_WAIT_SECONDS = 10
_COMMON = Path(__file__).with_name("common_passwords.txt")


class Busy(Exception):
    """Too many passwords are being checked at this moment."""


class Passwords:
    """Hashes passwords and checks them against hashes (Argon2id); safe to share between threads."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._checks = threading.BoundedSemaphore(_CHECKS_AT_ONCE)
        # An unknown name is checked against this hash, so that it takes as long as a known one.
        self._of_nobody = self._hasher.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        """Return the hash to store."""
        return self._hasher.hash(password)

    def is_right(self, password: str, password_hash: str | None) -> bool:
        """Check a password.

        Args:
            password: as entered.
            password_hash: of the account; None if there is no account. The check takes as long then.

        Raises:
            Busy: other checks did not end in time.
        """
        if not self._checks.acquire(timeout=_WAIT_SECONDS):
            raise Busy("too many people log in at this moment")
        try:
            self._hasher.verify(password_hash or self._of_nobody, password)
        except VerificationError:
            return False
        finally:
            self._checks.release()
        return password_hash is not None


def problem_with(password: str, name: str) -> str | None:
    """Return why a password is not accepted, as a sentence; None if it is accepted.

    Source: NIST SP 800-63B, 5.1.1.2, and OWASP ASVS 4.0.3, 2.1: length matters, composition rules do not; refuse
    common passwords, repeated and sequential characters, and words from the context.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        text = gettext("The password must have %(least)s to %(most)s characters.")
        return text % {"least": SHORTEST, "most": number(LONGEST)}
    if any(not sign.isprintable() for sign in password):
        return gettext("The password holds a character that cannot be typed, such as a tab or a line break.")
    lowered = password.casefold()
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", lowered)
    if {lowered, core} & _common_passwords():
        return gettext(
            "This password is too common. Choose another one, such as four words that do not belong together."
        )
    if len(set(lowered)) < _LEAST_DISTINCT or _is_repeated(lowered) or _is_sequence(lowered):
        return gettext(
            "This password repeats itself. Choose another one, such as four words that do not belong together."
        )
    if len(name) > 2 and len(lowered.replace(name.casefold(), "")) < SHORTEST // 2:
        return gettext("This password is little more than the name of the account. Choose another one.")
    return None


def _is_repeated(text: str) -> bool:
    """Return True if a text is one shorter text several times over."""
    return (text + text).find(text, 1) < len(text)


def _is_sequence(text: str) -> bool:
    """Return True if each character follows the one before, as in 123456789012 or zyxwvutsrqpo."""
    steps = {(ord(after) - ord(before)) % 10 for before, after in pairwise(text)}
    return steps <= {1} or steps <= {9}


@cache
def _common_passwords() -> frozenset[str]:
    lines = _COMMON.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))
