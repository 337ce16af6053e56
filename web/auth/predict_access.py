"""Who may use ``POST /predict/``."""

import hmac

from fastapi import Request

from web.auth.users import Authenticator
from web.http.errors import WebError


def check_predict_access(request: Request, authenticator: Authenticator, token: str) -> None:
    """Check that a request may use ``POST /predict/``.

    A session opens it, and so does the token of WEB_PREDICT_TOKEN. On a desk without accounts this machine needs
    neither, unless a token is set.

    Args:
        request: its head; the body is not read.
        authenticator: of the desk.
        token: WEB_PREDICT_TOKEN; empty for none.

    Raises:
        WebError: it may not.
    """
    user = authenticator.user(request)
    if user is not None and not user.must_change_password and not (token and authenticator.is_open):
        return
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token and hmac.compare_digest(given.encode(), token.encode()):
        return
    message = "Log in, or send the token of WEB_PREDICT_TOKEN as `Authorization: Bearer TOKEN`."
    raise WebError(401, "token_required", message, {"WWW-Authenticate": "Bearer"})
