"""Tokens of other systems for ``/api/v1``: a file of names, roles and hashes, in ``WEB_DIR/api-tokens``."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from web.auth.account import ROLES
from web.private_files import atomic_write, locked, private_folder
from web.settings import Role

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LINE = re.compile(rf"({_NAME.pattern}):({'|'.join(ROLES)}):([0-9a-f]{{64}})")
_PREFIX = "rct_"  # so that a scanner for leaked secrets can find one


class ApiTokensError(ValueError):
    """The tokens cannot be read, or a name cannot be used; the message says why."""


@dataclass(frozen=True)
class ApiToken:
    """What a token may do.

    Attributes:
        name: of the system that has it; decisions carry it as ``api:NAME``.
        role: ``viewer`` reads, ``reviewer`` decides.
        digest: SHA-256 of the token, hex. The token has 256 random bits, so a slow hash would add nothing.
    """

    name: str
    role: Role
    digest: str

    def may(self, role: Role) -> bool:
        """Return True if the role suffices."""
        return ROLES.index(self.role) >= ROLES.index(role)


class ApiTokens:
    """The tokens of ``WEB_DIR/api-tokens``, a line each: ``name:role:hash``. The file is read at each request.

    Args:
        folder: ``WEB_DIR``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "api-tokens"

    def all(self) -> dict[str, ApiToken]:
        """Return the tokens by name.

        Raises:
            ApiTokensError: a line cannot be read.
        """
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        found = {}
        for number, line in enumerate(lines, 1):
            match = _LINE.fullmatch(line)
            if match is None:
                raise ApiTokensError(f"{self.path}: line {number} is not name:role:hash; `python -m web add-token`")
            name, role, digest = match.groups()
            found[name] = ApiToken(name, next(known for known in ROLES if known == role), digest)
        return found

    def find(self, token: str) -> ApiToken | None:
        """Return what a token may do; None for an unknown one."""
        digest = _digest(token)
        return next((known for known in self.all().values() if hmac.compare_digest(known.digest, digest)), None)

    def add(self, name: str, role: Role) -> str:
        """Make a token and return it; only its hash is stored.

        Raises:
            ApiTokensError: the name is taken, or holds other signs than letters, digits, ``.``, ``_`` and ``-``.
        """
        if not _NAME.fullmatch(name):
            raise ApiTokensError(f"{name!r} is no name for a token: letters, digits and . _ - only, at most 64")
        token = _PREFIX + secrets.token_urlsafe(32)
        private_folder(self.path.parent)
        with locked(self.path.with_name("api-tokens.lock")):
            tokens = self.all()
            if name in tokens:
                raise ApiTokensError(f"there is a token {name} already; `python -m web remove-token {name}` removes it")
            self._write({**tokens, name: ApiToken(name, role, _digest(token))})
        return token

    def remove(self, name: str) -> None:
        """Remove a token; the next request with it is refused.

        Raises:
            ApiTokensError: there is none of this name.
        """
        private_folder(self.path.parent)
        with locked(self.path.with_name("api-tokens.lock")):
            tokens = self.all()
            if tokens.pop(name, None) is None:
                raise ApiTokensError(f"there is no token {name}; `python -m web list-tokens` lists them")
            self._write(tokens)

    def _write(self, tokens: dict[str, ApiToken]) -> None:
        lines = "".join(f"{token.name}:{token.role}:{token.digest}\n" for token in tokens.values())
        atomic_write(self.path, lines)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
