"""What every request passes before a route sees it, and every response before the browser does."""

import ipaddress
from logging import WARNING

from fastapi import FastAPI, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.auth.security_log import security_event
from web.auth.users import Authenticator
from web.http.errors import WebError
from web.http.uploads import LARGEST_PHOTO, PHOTO_PATHS, photo_too_large

_LARGEST = 200_000  # bytes; the longest body of our own pages, 200 accepted photos, is less than a tenth of it
_LARGEST_WITH_PHOTO = LARGEST_PHOTO + 1_000_000  # the form around the photo

SECURITY_HEADERS = {
    # No inline script or style and nothing from other sites; blob: is a photo that a person is about to upload.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
}


class SecurityHeaders:
    """Adds the headers above to every response, and forbids caching unless a route allows it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)


class LoopbackHosts:
    """Refuses requests for any host name but this machine's own, while the desk asks for no password.

    Otherwise another website could point its own host name at 127.0.0.1, and the browser would treat its pages and
    ours as the same site (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self.app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http" and self._authenticator.is_open:
            host = Request(scope).headers.get("host", "")
            if not _is_loopback(host):
                message = f"{host!r} is not this machine. Open the desk as http://127.0.0.1 or http://localhost."
                body = {"error": {"code": "wrong_host", "message": message}}
                await JSONResponse(body, 400)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class OwnPagesOnly:
    """Refuses changes that another website makes the browser send.

    Browsers say so themselves, in a header that no page can set; the token of web/auth/csrf.py also holds where they
    do not. Source: W3C, Fetch Metadata Request Headers, ``Sec-Fetch-Site``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            site = Headers(scope=scope).get("sec-fetch-site", "none")
            if site not in ("same-origin", "none"):
                peer = (scope.get("client") or ("-",))[0]
                security_event("cross_site", f"{scope['method']} from another website", address=peer, level=WARNING)
                message = "Another website's page sent this request. Open the desk itself and repeat the step there."
                body = {"error": {"code": "cross_site", "message": message}}
                await JSONResponse(body, 403)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class BodyLimit:
    """Refuses a body that declares too large a size, and one that turns out to be too large.

    FastAPI reads a body before it checks who sent it. Its own ``max_body_size`` answers in plain text, not in our
    shape of an error.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; reading its body raises a WebError if it is too large."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with_photo = scope["path"] in PHOTO_PATHS
        most = _LARGEST_WITH_PHOTO if with_photo else _LARGEST
        declared = Headers(scope=scope).get("content-length", "")
        left = most

        async def receive_within_limit() -> Message:
            nonlocal left
            if declared.isdecimal() and int(declared) > most:
                raise _too_large(with_photo)
            message = await receive()
            left -= len(message.get("body", b""))  # a chunked body declares no size, so the bytes are counted too
            if left < 0:
                raise _too_large(with_photo)
            return message

        await self.app(scope, receive_within_limit, send)


def install_security(app: FastAPI, authenticator: Authenticator) -> None:
    """Add the outer middleware. A request passes the one that was added last first."""
    app.add_middleware(OwnPagesOnly)
    app.add_middleware(LoopbackHosts, authenticator=authenticator)
    app.add_middleware(SecurityHeaders)


def _too_large(with_photo: bool) -> WebError:
    if with_photo:
        return photo_too_large()
    return WebError(413, "too_many_bytes", f"The request is larger than {_LARGEST // 1000} kB.")


def _is_loopback(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
