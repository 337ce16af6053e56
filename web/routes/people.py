"""The people of the desk, for admins: add, change, disable, reset a password, end logins."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request
from starlette.responses import RedirectResponse, Response

from web.auth.account import LONGEST_NAME, ROLES, Account, AccountsError
from web.auth.csrf import check_csrf
from web.auth.security_log import security_event
from web.auth.users import Authenticator, User
from web.http.dependencies import ADMINS_ONLY, Admin, AuthenticatorDep, SecondFactorsDep
from web.http.errors import WebError
from web.http.rendering import render
from web.routes.account import shown_session
from web.settings import Role

router = APIRouter(prefix="/people", include_in_schema=False, dependencies=ADMINS_ONLY)
_Name = Annotated[str, Form(max_length=LONGEST_NAME)]


async def _check_form(request: Request, csrf: Annotated[str, Form()] = "") -> None:
    check_csrf(request, csrf)


_FORM = [Depends(_check_form)]


def _account(authenticator: AuthenticatorDep, name: Annotated[str, Path(max_length=LONGEST_NAME)]) -> Account:
    account = authenticator.accounts.all().get(name)
    if account is None:
        raise WebError(404, "no_such_account", f"There is no account {name}.")
    return account


AccountDep = Annotated[Account, Depends(_account)]


@router.get("")
def people_page(request: Request, authenticator: AuthenticatorDep) -> Response:
    """List the accounts, and show the form that adds one."""
    return _list(request, authenticator)


@router.post("", dependencies=_FORM)
def add_person(
    request: Request,
    authenticator: AuthenticatorDep,
    user: Admin,
    name: _Name = "",
    role: Annotated[Role, Form()] = "reviewer",
) -> Response:
    """Add an account and show its first password, once."""
    try:
        password = authenticator.accounts.create(name.strip(), role)
    except AccountsError as error:
        return _list(request, authenticator, str(error), name)
    account = authenticator.accounts.all()[name.strip()]
    _log(request, authenticator, user, "account_added", f"Added {account.name} as {role}")
    return _person(request, authenticator, account, password=password)


@router.get("/{name}")
def person_page(request: Request, authenticator: AuthenticatorDep, account: AccountDep) -> Response:
    """Show one account and its logins."""
    return _person(request, authenticator, account)


@router.post("/{name}/role", dependencies=_FORM)
def change_role(
    request: Request, authenticator: AuthenticatorDep, user: Admin, account: AccountDep, role: Annotated[Role, Form()]
) -> Response:
    """Give another role; the user logs in again."""
    if role == account.role:
        return _back(account)
    return _change(request, authenticator, user, account, "role_changed", f"Made {account.name} {role}", role=role)


@router.post("/{name}/disable", dependencies=_FORM)
def disable(request: Request, authenticator: AuthenticatorDep, user: Admin, account: AccountDep) -> Response:
    """Let the user in no more, from this moment on."""
    message = f"Disabled {account.name}"
    return _change(request, authenticator, user, account, "account_disabled", message, is_disabled=True)


@router.post("/{name}/enable", dependencies=_FORM)
def enable(request: Request, authenticator: AuthenticatorDep, user: Admin, account: AccountDep) -> Response:
    """Let the user in again."""
    message = f"Enabled {account.name}"
    return _change(request, authenticator, user, account, "account_enabled", message, is_disabled=False)


@router.post("/{name}/password", dependencies=_FORM)
def reset_password(request: Request, authenticator: AuthenticatorDep, user: Admin, account: AccountDep) -> Response:
    """Give a new first password and show it, once; all logins of the user end."""
    try:
        password = authenticator.accounts.reset_password(account.name)
    except AccountsError as error:  # removed by somebody else at this moment
        return _person(request, authenticator, account, str(error))
    authenticator.sessions.end_all(account.name)
    _log(request, authenticator, user, "password_reset", f"Gave {account.name} a new first password")
    return _person(request, authenticator, account, password=password)


@router.post("/{name}/second-factor/remove", dependencies=_FORM)
def remove_second_factor(
    request: Request, authenticator: AuthenticatorDep, factors: SecondFactorsDep, user: Admin, account: AccountDep
) -> Response:
    """Remove the authenticator app of a user who lost it."""
    message = f"Removed the authenticator app of {account.name}"
    changed = _change(request, authenticator, user, account, "second_factor_removed", message, has_second_factor=False)
    factors.remove(account.name)
    return changed


@router.post("/{name}/sessions/end", dependencies=_FORM)
def end_sessions(request: Request, authenticator: AuthenticatorDep, user: Admin, account: AccountDep) -> Response:
    """End all logins of a user."""
    authenticator.sessions.end_all(account.name)
    _log(request, authenticator, user, "session_ended", f"Ended all logins of {account.name}")
    return _back(account)


def _change(
    request: Request,
    authenticator: Authenticator,
    user: User,
    account: Account,
    event: str,
    message: str,
    **fields: Any,
) -> Response:
    """Change an account, end its logins, and show it again."""
    try:
        authenticator.accounts.change(account.name, **fields)
    except AccountsError as error:
        return _person(request, authenticator, account, str(error))
    authenticator.sessions.end_all(account.name)
    _log(request, authenticator, user, event, message)
    return _back(account)


def _back(account: Account) -> Response:
    return RedirectResponse(f"/people/{account.name}", 303)


def _log(request: Request, authenticator: Authenticator, user: User, event: str, message: str) -> None:
    address = authenticator.client_address(request)
    security_event(event, message, user=user.name, address=address, level=logging.WARNING)


def _list(request: Request, authenticator: Authenticator, problem: str | None = None, name: str = "") -> Response:
    seen = {session.name: session for session in reversed(authenticator.sessions.running())}
    people = [
        {"account": account, "session": shown_session(seen[account.name]) if account.name in seen else None}
        for account in sorted(authenticator.accounts.all().values(), key=lambda account: account.name.casefold())
    ]
    context = {"people": people, "roles": ROLES, "problem": problem, "name": name}
    return render(request, "people.html", context, 422 if problem else 200)


def _person(
    request: Request,
    authenticator: Authenticator,
    account: Account,
    problem: str | None = None,
    password: str | None = None,
) -> Response:
    sessions = [shown_session(session) for session in authenticator.sessions.running(account.name)]
    context = {
        "account": authenticator.accounts.all().get(account.name, account),
        "roles": ROLES,
        "sessions": sessions,
        "problem": problem,
        "password": password,
    }
    return render(request, "person.html", context, 422 if problem else 200)
