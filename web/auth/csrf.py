"""Protection against requests that another website makes a browser send (cross-site request forgery)."""

import hmac
import logging
import secrets

from fastapi import Request

from web.auth.security_log import security_event
from web.http.errors import WebError


def csrf_token(request: Request) -> str:
    """Return the token of the session, which only our own pages know. The first call creates it."""
    return str(request.session.setdefault("csrf", secrets.token_urlsafe(24)))


def check_csrf(request: Request, token: str | None) -> None:
    """Check that a change was requested by one of our own pages.

    Raises:
        WebError: the session has no token yet, or the given one is missing or different.
    """
    expected = request.session.get("csrf")
    if not expected or not token or not hmac.compare_digest(token.encode(), expected.encode()):
        peer = request.client.host if request.client else "-"
        message = f"{request.method} {request.url.path} without the token of its page"
        security_event("csrf_refused", message, address=peer, level=logging.WARNING)
        raise WebError(403, "csrf", "This page is out of date. Load it again, then repeat the last step.")


def require_csrf(request: Request) -> None:
    """Require the token in the header ``X-CSRF-Token``; a dependency."""
    check_csrf(request, request.headers.get("x-csrf-token"))
