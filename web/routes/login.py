"""Logging in and out."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from web.auth.csrf import check_csrf
from web.auth.users import log_in
from web.http.dependencies import AuthenticatorDep, LoginAttemptsDep
from web.http.errors import WebError
from web.http.rendering import render

router = APIRouter(include_in_schema=False)


@router.get("/login")
def login_page(request: Request, authenticator: AuthenticatorDep, next: str = "/review") -> Response:
    """Show the form; redirect a user who is logged in already."""
    if authenticator.user(request) is not None:
        return RedirectResponse(_own_path(next), 303)
    return render(request, "login.html", {"next": _own_path(next), "problem": None, "name": ""})


@router.post("/login")
def login(
    request: Request,
    authenticator: AuthenticatorDep,
    attempts: LoginAttemptsDep,
    name: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form()] = "/review",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Check name and password, slowly for who guesses."""
    check_csrf(request, csrf)
    address = authenticator.client_address(request)
    wait = attempts.begin(name, address)
    if wait:
        message = f"Too many attempts. Try again in {wait} seconds."
        raise WebError(429, "too_many_logins", message, {"Retry-After": str(wait)})
    account = authenticator.accounts.check(name, password)
    if account is None:
        problem = "Name and password do not belong together."
        return render(request, "login.html", {"next": _own_path(next), "problem": problem, "name": name}, 401)
    attempts.succeeded(name, address)
    log_in(request, account)
    return RedirectResponse(_own_path(next), 303)


@router.post("/logout")
def logout(request: Request, csrf: Annotated[str, Form()] = "") -> Response:
    """End the session."""
    check_csrf(request, csrf)
    request.session.clear()
    return RedirectResponse("/login", 303)


def _own_path(path: str) -> str:
    """Return a path on this site: another site's address must not be reached through our login."""
    parts = urlsplit(path)
    own = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return path if own and path.isprintable() else "/review"
