"""Who is asking, what they may do, and whether it was their own page that asked."""

import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from web.auth.accounts import ROLES, Account, Accounts, write_private
from web.settings import Role, WebSettings

SESSION_SECONDS = 12 * 3600
LOCAL_NAME = "local"  # who works at a desk without accounts


@dataclass(frozen=True)
class User:
    """Who is asking.

    Attributes:
        name: stored with each verdict.
        role: of :data:`web.auth.accounts.ROLES`.
        can_log_out: false where a proxy, or nobody, asked for the password.
    """

    name: str
    role: Role
    can_log_out: bool

    def may(self, role: Role) -> bool:
        """Tell whether the person may do what this role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Authenticator:
    """Decides who comes in: by a proxy's header, by a session, or anybody where only this machine can reach us.

    Args:
        settings: of the desk.
        accounts: the file of accounts.
    """

    def __init__(self, settings: WebSettings, accounts: Accounts) -> None:
        self.accounts = accounts
        self._header = settings.web_proxy_header
        self._proxies = frozenset(settings.web_proxy_addresses)
        self._proxy_role = settings.web_proxy_role
        self._loopback = settings.is_loopback

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for a password: no accounts, no proxy, and no way in from elsewhere."""
        return self._loopback and not self._header and not self.accounts.all()

    def user(self, request: Request) -> User | None:
        """Return who is asking; None if we do not know."""
        if self._header:
            name = request.headers.get(self._header, "").strip()
            if name and _peer(request) in self._proxies:
                account = self.accounts.all().get(name)
                return User(name[:64], account.role if account else self._proxy_role, can_log_out=False)
        account = self.accounts.all().get(request.session.get("name", ""))
        if account is not None and hmac.compare_digest(request.session.get("account", ""), account.fingerprint):
            return User(account.name, account.role, can_log_out=True)
        return User(LOCAL_NAME, "admin", can_log_out=False) if self.is_open else None

    def client_address(self, request: Request) -> str:
        """Return where a request comes from; behind the proxy, what that says in ``X-Forwarded-For``.

        Only the last entry is the proxy's own: those before it are whatever the client sent.
        """
        peer = _peer(request)
        if peer not in self._proxies:
            return peer
        last = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
        try:
            return _plain(str(ipaddress.ip_address(last)))
        except ValueError:
            return peer


def log_in(request: Request, account: Account) -> None:
    """Begin a new session; nothing of the one before is kept."""
    request.session.clear()
    request.session.update(name=account.name, account=account.fingerprint)


def session_key(folder: Path) -> str:
    """Return the key that signs session cookies; made at the first start, readable by its owner alone."""
    path = folder / "session.key"
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        write_private(path, secrets.token_urlsafe(48), 0o600)
        return path.read_text(encoding="utf-8").strip()


def _peer(request: Request) -> str:
    """Return the address at the other end of the connection."""
    return _plain(request.client.host) if request.client else ""


def _plain(address: str) -> str:
    """Return an IPv4 address that came as ``::ffff:...`` as itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
