"""What every answer tells the browser to refuse, and what the desk itself refuses before it looks."""

import ipaddress

from fastapi import FastAPI, Request
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.auth.users import Gate

SECURITY_HEADERS = {
    # No inline script or style, nothing from elsewhere; blob: is a picture that a person is about to upload.
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
    """Adds the headers above to every answer, and forbids caching where an answer does not allow it itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with more headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)


class LoopbackHosts:
    """Refuses requests for another host name than this machine's own.

    Where no password is asked for, a web page elsewhere could point its own host name at 127.0.0.1 and would then be
    taken for ours by the browser (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and self._gate.is_open:
            host = Request(scope).headers.get("host", "")
            if not _is_loopback(host):
                message = f"{host!r} is not this machine. Open the desk as http://127.0.0.1 or http://localhost."
                body = {"error": {"code": "wrong_host", "message": message}}
                await JSONResponse(body, 400)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def install_security(app: FastAPI, gate: Gate) -> None:
    """Wrap the application; what is added last sees a request first."""
    app.add_middleware(LoopbackHosts, gate=gate)
    app.add_middleware(SecurityHeaders)


def _is_loopback(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
