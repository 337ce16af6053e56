"""Log in and out."""

import hashlib
import logging
import time
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from web.auth.account import LONGEST_NAME, Account
from web.auth.csrf import check_csrf
from web.auth.passwords import LONGEST
from web.auth.second_factors import LONGEST_CODE
from web.auth.security_log import security_event
from web.auth.users import Authenticator
from web.http.dependencies import AuthenticatorDep, LoginAttemptsDep, SecondFactorsDep
from web.http.rendering import render
from web.routes.password_check import checked_account, too_many_attempts
from web.translation import gettext

router = APIRouter(include_in_schema=False)

_CODE_SECONDS = 300  # between the password and the code
_WAITING = "waiting_for_code"


@router.get("/login")
def login_page(request: Request, authenticator: AuthenticatorDep, next: str = "/review") -> Response:
    """Show the form; redirect a user who is logged in already."""
    if authenticator.user(request) is not None:
        return RedirectResponse(own_path(next), 303)
    context = {"next": own_path(next), "problem": None, "name": "", "has_accounts": bool(authenticator.accounts.all())}
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
    account = checked_account(authenticator, name, password)
    if account is None:
        security_event("login_failed", "Wrong name or password", user=user, address=address, level=logging.WARNING)
        problem = gettext("The name or the password is wrong.")
        context = {"next": own_path(next), "problem": problem, "name": name, "has_accounts": True}
        return render(request, "login.html", context, 401)
    if account.has_second_factor:
        # The attempt still counts: otherwise a known password would allow any number of codes.
        request.session[_WAITING] = {
            "name": account.name,
            "account": _digest(account),
            "until": time.time() + _CODE_SECONDS,
            "next": own_path(next),
        }
        return RedirectResponse("/login/code", 303)
    attempts.succeeded(name, address)
    authenticator.log_in(request, account)
    security_event("login", "Logged in", user=user, address=address)
    return RedirectResponse("/account" if account.must_change else own_path(next), 303)


@router.get("/login/code")
def code_page(request: Request, authenticator: AuthenticatorDep) -> Response:
    """Ask for the code of the authenticator app, after the password."""
    if _waiting_account(request, authenticator) is None:
        return RedirectResponse("/login", 303)
    return render(request, "login_code.html", {"problem": None})


@router.post("/login/code")
def login_with_code(
    request: Request,
    authenticator: AuthenticatorDep,
    attempts: LoginAttemptsDep,
    factors: SecondFactorsDep,
    code: Annotated[str, Form(max_length=LONGEST_CODE)] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Check the code. Wrong codes count as wrong passwords do."""
    check_csrf(request, csrf)
    account = _waiting_account(request, authenticator)
    if account is None:
        return RedirectResponse("/login", 303)
    path = own_path(request.session[_WAITING]["next"])
    address = authenticator.client_address(request)
    if wait := attempts.begin(account.name, address):
        message = "Too many failed logins"
        security_event("login_blocked", message, user=account.name, address=address, level=logging.WARNING)
        raise too_many_attempts(wait)
    kind = factors.accept(account.name, code)
    if kind is None:
        message = "Wrong or used code of an authenticator app"
        security_event("code_refused", message, user=account.name, address=address, level=logging.WARNING)
        problem = gettext("The code is wrong, or it was used already. Wait for the next one.")
        return render(request, "login_code.html", {"problem": problem}, 401)
    attempts.succeeded(account.name, address)
    authenticator.log_in(request, account)
    if kind == "recovery":
        message = f"Used a recovery code; {factors.recovery_codes_left(account.name)} are left"
        security_event("recovery_code_used", message, user=account.name, address=address, level=logging.WARNING)
    security_event("login", "Logged in", user=account.name, address=address)
    return RedirectResponse("/account" if account.must_change else path, 303)


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


def _waiting_account(request: Request, authenticator: Authenticator) -> Account | None:
    """Return the account whose password was right and whose code is missing; None if it took too long."""
    waiting = request.session.get(_WAITING)
    if not waiting or waiting["until"] < time.time():
        return None
    account = authenticator.accounts.all().get(waiting["name"])
    if account is None or account.is_disabled or _digest(account) != waiting["account"]:
        return None
    return account


def _digest(account: Account) -> str:
    """Return what changes with the password and the role; the cookie can be read, so it holds no part of a hash."""
    return hashlib.sha256(account.fingerprint.encode()).hexdigest()


def own_path(path: str) -> str:
    """Return a path on this site: our login must not lead to another site."""
    parts = urlsplit(path)
    own = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return path if own and path.isprintable() else "/review"
