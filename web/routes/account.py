"""A user's own page: the password, and the browsers that are logged in."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from web.auth.account import AccountsError
from web.auth.csrf import check_csrf
from web.auth.passwords import LONGEST
from web.auth.security_log import security_event
from web.auth.sessions import Session
from web.auth.users import Authenticator, User
from web.http.dependencies import AuthenticatorDep, LoggedIn, LoginAttemptsDep, SessionId
from web.http.errors import WebError
from web.http.rendering import render
from web.routes.password_check import current_account
from web.translation import gettext

router = APIRouter(include_in_schema=False)
_Password = Annotated[str, Form(max_length=LONGEST)]


@router.get("/account")
def account_page(request: Request, authenticator: AuthenticatorDep, user: LoggedIn) -> Response:
    """Show the page."""
    return _page(request, authenticator, user, None)


@router.post("/account/password")
def change_password(
    request: Request,
    authenticator: AuthenticatorDep,
    attempts: LoginAttemptsDep,
    user: LoggedIn,
    current: _Password = "",
    new: _Password = "",
    repeated: _Password = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Change the user's own password; all other sessions of the user end."""
    check_csrf(request, csrf)
    if not user.can_log_out:
        raise WebError(403, "not_allowed", f"{user.name} has no password here.")
    place = "on the page that changes it"
    account = current_account(request, authenticator, attempts, user.name, current, place)
    if account is None:
        return _page(request, authenticator, user, gettext("The current password is wrong."))
    address = authenticator.client_address(request)
    attempts.succeeded(user.name, address)
    if new != repeated:
        return _page(request, authenticator, user, gettext("The two new passwords are not the same."))
    if new == current:
        return _page(request, authenticator, user, gettext("The new password is the current one."))
    try:
        changed = authenticator.accounts.change_password(account, new)
    except AccountsError as error:
        return _page(request, authenticator, user, str(error))
    authenticator.sessions.end_all(user.name)
    authenticator.log_in(request, changed)
    security_event("password_changed", "Changed the password", user=user.name, address=address)
    return RedirectResponse("/review" if user.must_change_password else "/account", 303)


@router.post("/account/sessions/{session_id}/end")
def end_session(
    request: Request,
    authenticator: AuthenticatorDep,
    user: LoggedIn,
    session_id: SessionId,
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """End a session of the user; an admin can end those of others."""
    check_csrf(request, csrf)
    listed = authenticator.sessions.running(None if user.may("admin") else user.name)
    session = next((session for session in listed if session.id == session_id), None)
    if session is None:
        raise WebError(404, "no_such_session", "This session has ended already.")
    authenticator.sessions.end(session.id)
    message = f"Ended a session of {session.name}"
    security_event("session_ended", message, user=user.name, address=authenticator.client_address(request))
    return RedirectResponse("/account", 303)


def _page(request: Request, authenticator: Authenticator, user: User, problem: str | None) -> Response:
    own = authenticator.session(request)
    accounts = authenticator.accounts.all()
    sessions = [
        {"is_own": own is not None and session.id == own.id, **shown_session(session)}
        for session in authenticator.sessions.running(None if user.may("admin") else user.name)
        if (account := accounts.get(session.name)) and account.fingerprint == session.fingerprint
    ]
    account = accounts.get(user.name)
    context = {
        "problem": problem,
        "sessions": sessions,
        "has_second_factor": account is not None and account.has_second_factor,
    }
    return render(request, "account.html", context, 422 if problem else 200)


def shown_session(session: Session) -> dict[str, Any]:
    """Return what a page shows of a session."""
    return {
        "id": session.id,
        "name": session.name,
        "began": _moment(session.began),
        "seen": _moment(session.seen),
        "address": session.address,
        "browser": session.browser,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
