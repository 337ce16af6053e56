"""A user's own authenticator app: set it up, confirm it, turn it off."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from web.auth.account import Account
from web.auth.csrf import check_csrf
from web.auth.passwords import LONGEST
from web.auth.second_factors import LONGEST_CODE, SecondFactors, qr_code
from web.auth.security_log import security_event
from web.auth.users import Authenticator, User
from web.http.dependencies import AuthenticatorDep, LoginAttemptsDep, SecondFactorsDep, Viewer
from web.http.errors import WebError
from web.http.rendering import render
from web.routes.password_check import current_account
from web.translation import gettext

router = APIRouter(prefix="/account/second-factor", include_in_schema=False)
_Password = Annotated[str, Form(max_length=LONGEST)]
_Code = Annotated[str, Form(max_length=LONGEST_CODE)]
_Token = Annotated[str, Form()]
_PLACE = "at the authenticator app"


@router.get("")
def second_factor_page(
    request: Request, authenticator: AuthenticatorDep, factors: SecondFactorsDep, user: Viewer
) -> Response:
    """Show whether an app is set up, and the form that changes it."""
    return _page(request, factors, _account(authenticator, user))


@router.post("/begin")
def begin(
    request: Request,
    authenticator: AuthenticatorDep,
    attempts: LoginAttemptsDep,
    factors: SecondFactorsDep,
    user: Viewer,
    current: _Password = "",
    csrf: _Token = "",
) -> Response:
    """Make a secret for the app and show it."""
    check_csrf(request, csrf)
    account = _account(authenticator, user)
    if account.has_second_factor:
        return RedirectResponse("/account/second-factor", 303)
    if current_account(request, authenticator, attempts, account.name, current, _PLACE) is None:
        return _page(request, factors, account, gettext("The current password is wrong."))
    attempts.succeeded(account.name, authenticator.client_address(request))
    return _page(request, factors, account, secret=factors.begin(account.name))


@router.post("/confirm")
def confirm(
    request: Request,
    authenticator: AuthenticatorDep,
    factors: SecondFactorsDep,
    user: Viewer,
    code: _Code = "",
    csrf: _Token = "",
) -> Response:
    """Turn the second factor on, show the recovery codes once, and end all other sessions of the user."""
    check_csrf(request, csrf)
    account = _account(authenticator, user)
    secret = factors.pending_secret(account.name)
    if account.has_second_factor or secret is None:
        return RedirectResponse("/account/second-factor", 303)
    codes = factors.confirm(account.name, code)
    if codes is None:
        return _page(
            request, factors, account, gettext("The code is wrong. Is the clock of your phone right?"), secret=secret
        )
    changed = authenticator.accounts.change(account.name, has_second_factor=True)
    authenticator.sessions.end_all(account.name)
    authenticator.log_in(request, changed)
    _log(request, authenticator, account, "second_factor_on", "Set up an authenticator app")
    return _page(request, factors, changed, codes=codes)


@router.post("/remove")
def remove(
    request: Request,
    authenticator: AuthenticatorDep,
    attempts: LoginAttemptsDep,
    factors: SecondFactorsDep,
    user: Viewer,
    current: _Password = "",
    code: _Code = "",
    csrf: _Token = "",
) -> Response:
    """Turn the second factor off; needs the password and a code."""
    check_csrf(request, csrf)
    account = _account(authenticator, user)
    if not account.has_second_factor:
        return RedirectResponse("/account/second-factor", 303)
    if current_account(request, authenticator, attempts, account.name, current, _PLACE) is None:
        return _page(request, factors, account, gettext("The current password is wrong."))
    if factors.accept(account.name, code) is None:
        _log(
            request, authenticator, account, "code_refused", "Wrong or used code of an authenticator app", refused=True
        )
        return _page(
            request, factors, account, gettext("The code is wrong, or it was used already. Wait for the next one.")
        )
    attempts.succeeded(account.name, authenticator.client_address(request))
    authenticator.accounts.change(account.name, has_second_factor=False)
    factors.remove(account.name)
    _log(request, authenticator, account, "second_factor_off", "Turned the authenticator app off")
    return RedirectResponse("/account", 303)


def _account(authenticator: Authenticator, user: User) -> Account:
    """Return the account of a user who logged in with a password here.

    Raises:
        WebError: a proxy checked the password, or nobody did.
    """
    account = authenticator.accounts.all().get(user.name) if user.can_log_out else None
    if account is None:
        raise WebError(403, "not_allowed", f"{user.name} has no password here.")
    return account


def _log(
    request: Request, authenticator: Authenticator, account: Account, event: str, message: str, refused: bool = False
) -> None:
    level = logging.WARNING if refused else logging.INFO
    address = authenticator.client_address(request)
    security_event(event, message, user=account.name, address=address, level=level)


def _page(
    request: Request,
    factors: SecondFactors,
    account: Account,
    problem: str | None = None,
    secret: str | None = None,
    codes: list[str] | None = None,
) -> Response:
    context: dict[str, Any] = {
        "problem": problem,
        "is_on": account.has_second_factor,
        "left": factors.recovery_codes_left(account.name),
        "secret": secret,
        "qr": qr_code(account.name, secret) if secret else None,
        "codes": codes,
    }
    return render(request, "second_factor.html", context, 422 if problem else 200)
