"""Log in and out."""

import logging
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from web.auth.accounts import LONGEST_NAME
from web.auth.csrf import check_csrf
from web.auth.passwords import LONGEST, Busy
from web.auth.security_log import security_event
from web.http.dependencies import AuthenticatorDep, LoginAttemptsDep
from web.http.errors import WebError
from web.http.rendering import render

router = APIRouter(include_in_schema=False)


@router.get("/login")
def login_page(request: Request, authenticator: AuthenticatorDep, next: str = "/review") -> Response:
    """Show the form; redirect a user who is logged in already."""
    if authenticator.user(request) is not None:
        return RedirectResponse(_own_path(next), 303)
    context = {"next": _own_path(next), "problem": None, "name": "", "has_accounts": bool(authenticator.accounts.all())}
    return render(request, "login.html", context)


@router.post("/login")
def login(
    request: Request,
    authenticator: AuthenticatorDep,
    attempts: LoginAttemptsDep,
    name: Annotated[str, Form(max_length=LONGEST_NAME)] = "",
    password: Annotated[str, Form(max_length=LONGEST)] = "",
    next: Annotated[str, Form()] = "/review",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Check name and password, and limit how often they can be guessed."""
    check_csrf(request, csrf)
    address = authenticator.client_address(request)
    # People sometimes type their password where the name belongs, so only names of accounts are logged.
    user = name if name in authenticator.accounts.all() else "-"
    wait = attempts.begin(name, address)
    if wait:
        security_event("login_blocked", "Too many failed logins", user=user, address=address, level=logging.WARNING)
        raise too_many_attempts(wait)
    try:
        account = authenticator.accounts.check(name, password)
    except Busy as error:
        raise WebError(503, "busy", f"{str(error).capitalize()}. Try again.", {"Retry-After": "5"}) from error
    if account is None:
        security_event("login_failed", "Wrong name or password", user=user, address=address, level=logging.WARNING)
        problem = "The name or the password is wrong."
        context = {"next": _own_path(next), "problem": problem, "name": name, "has_accounts": True}
        return render(request, "login.html", context, 401)
    attempts.succeeded(name, address)
    authenticator.log_in(request, account)
    security_event("login", "Logged in", user=user, address=address)
    return RedirectResponse("/account" if account.must_change else _own_path(next), 303)


@router.post("/logout")
def logout(request: Request, authenticator: AuthenticatorDep, csrf: Annotated[str, Form()] = "") -> Response:
    """End the session, and have the browser forget the pictures that it keeps."""
    check_csrf(request, csrf)
    user = authenticator.user(request)
    authenticator.log_out(request)
    security_event(
        "logout", "Logged out", user=user.name if user else "-", address=authenticator.client_address(request)
    )
    return RedirectResponse("/login", 303, {"Clear-Site-Data": '"cache"'})


def too_many_attempts(wait: int) -> WebError:
    """Return the error for an attempt that must wait some seconds."""
    minutes = -(-wait // 60)
    message = f"Too many wrong passwords. Try again in {minutes} minute{'s' * (minutes > 1)}."
    return WebError(429, "too_many_logins", message, {"Retry-After": str(wait)})


def _own_path(path: str) -> str:
    """Return a path on this site: our login must not lead to another site."""
    parts = urlsplit(path)
    own = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return path if own and path.isprintable() else "/review"
