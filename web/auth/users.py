"""Who sends a request, and what they may do."""

import hmac
import ipaddress
import logging
import secrets
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.datastructures import Headers

from web.auth.account import LONGEST_NAME, ROLES, Account
from web.auth.accounts import Accounts
from web.auth.security_log import security_event
from web.auth.sessions import Session, Sessions
from web.private_files import atomic_write, private_folder
from web.settings import Role, WebSettings

LOCAL_NAME = "local"  # the user of a desk without accounts
_FORWARDING = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"})


@dataclass(frozen=True)
class User:
    """Who sends a request.

    Attributes:
        name: stored with each verdict.
        role: of :data:`web.auth.account.ROLES`.
        can_log_out: false if a proxy checked the password, or nobody did.
        must_change_password: the first password must be replaced before anything else.
    """

    name: str
    role: Role
    can_log_out: bool
    must_change_password: bool = False

    def may(self, role: Role) -> bool:
        """Return True if the user has all rights of a role."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Authenticator:
    """Finds the user of a request: from a proxy's header, from a session, or because only this machine has access.

    Args:
        settings: of the desk.
        accounts: the file of accounts.
        sessions: of the people who logged in.
    """

    def __init__(self, settings: WebSettings, accounts: Accounts, sessions: Sessions) -> None:
        self.accounts = accounts
        self.sessions = sessions
        self._header = settings.web_proxy_header
        self._proxies = frozenset(settings.web_proxy_addresses)
        self._proxy_role = settings.web_proxy_role
        self._loopback = settings.is_loopback

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for a password: only this machine has access, and there was never an account."""
        return self._loopback and not self._header and not self.accounts.all() and not self.accounts.are_missing

    def user(self, request: Request) -> User | None:
        """Return the user; None if we do not know them."""
        return self._from_proxy(request) or self._from_session(request) or self._from_this_machine(request)

    def session(self, request: Request) -> Session | None:
        """Return the running session of a request, if its account is still the same."""
        token = request.session.get("token")
        session = self.sessions.find(token) if token else None
        account = self.accounts.all().get(session.name) if session else None
        if session is None or account is None or account.is_disabled:
            return None
        return session if hmac.compare_digest(session.fingerprint, account.fingerprint) else None

    def log_in(self, request: Request, account: Account) -> None:
        """Begin a new session. Nothing of the one before is kept."""
        browser = request.headers.get("user-agent", "")
        token = self.sessions.begin(account, self.client_address(request), browser)
        self.log_out(request)
        request.session["token"] = token

    def log_out(self, request: Request) -> None:
        """End the session, here and for every copy of its cookie."""
        if session := self.session(request):
            self.sessions.end(session.id)
        request.session.clear()

    def client_address(self, request: Request) -> str:
        """Return where a request comes from. Behind the proxy that is what it says in ``X-Forwarded-For``.

        The last entry is the proxy's own. Those before it are whatever the client sent.
        """
        peer = _peer(request)
        if peer not in self._proxies:
            return peer
        try:
            return _plain(str(ipaddress.ip_address(_last(request.headers, "x-forwarded-for"))))
        except ValueError:
            return peer

    def _from_proxy(self, request: Request) -> User | None:
        if not self._header or _peer(request) not in self._proxies:
            return None
        name = _last(request.headers, self._header)
        if not name:
            return None
        if len(name) > LONGEST_NAME or not name.isprintable():
            message = f"The proxy named a user in more than {LONGEST_NAME} characters, or with control characters"
            security_event("proxy_name_refused", message, address=self.client_address(request), level=logging.WARNING)
            return None
        account = self.accounts.all().get(name)
        if account is not None and account.is_disabled:
            return None
        return User(name, account.role if account else self._proxy_role, can_log_out=False)

    def _from_session(self, request: Request) -> User | None:
        session = self.session(request)
        account = self.accounts.all().get(session.name) if session else None
        return User(account.name, account.role, True, account.must_change) if account else None

    def _from_this_machine(self, request: Request) -> User | None:
        # What a proxy passed on may come from anywhere, also if the proxy is on this machine.
        is_here = self.is_open and not _is_forwarded(request.headers)
        return User(LOCAL_NAME, "admin", can_log_out=False) if is_here else None


def session_key(folder: Path) -> str:
    """Return the key that signs cookies. The first start creates it."""
    path = folder / "session.key"
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        private_folder(folder)
        atomic_write(path, secrets.token_urlsafe(48))
        return path.read_text(encoding="utf-8").strip()


def _is_forwarded(headers: Headers) -> bool:
    """Return True if a proxy passed a request on."""
    return any(name in _FORWARDING or name.startswith("x-forwarded-") for name in headers)


def _last(headers: Headers, name: str) -> str:
    """Return the last entry of a header: the proxy adds its own behind what the client sent."""
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()


def _peer(request: Request) -> str:
    """Return the address at the other end of the connection."""
    return _plain(request.client.host) if request.client else ""


def _plain(address: str) -> str:
    """Return an IPv4 address that came as ``::ffff:...`` in its own form."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
