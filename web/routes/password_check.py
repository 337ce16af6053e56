"""The check of a password that a form brings: bounded in guesses, and answered when all checks are busy."""

import logging

from fastapi import Request

from web.auth.account import Account
from web.auth.login_attempts import LoginAttempts
from web.auth.passwords import Busy
from web.auth.security_log import security_event
from web.auth.users import Authenticator
from web.http.errors import WebError


def checked_account(authenticator: Authenticator, name: str, password: str) -> Account | None:
    """Return the account of a name and its password; None if one of them is wrong.

    Raises:
        WebError: too many passwords are being checked.
    """
    try:
        return authenticator.accounts.check(name, password)
    except Busy as error:
        raise WebError(503, "busy", f"{str(error).capitalize()}. Try again.", {"Retry-After": "5"}) from error


def current_account(
    request: Request, authenticator: Authenticator, attempts: LoginAttempts, name: str, password: str, place: str
) -> Account | None:
    """Check the current password of a user who changes something; a wrong one counts as a failed login.

    The attempt counts until the caller says that it succeeded.

    Args:
        request: of the form.
        authenticator: of the desk.
        attempts: counts the guesses.
        name: of the user.
        password: that the form brings.
        place: of the form, for the security log.

    Returns:
        The account; None if the password is wrong.

    Raises:
        WebError: there were too many guesses, or too many passwords are being checked.
    """
    address = authenticator.client_address(request)
    if wait := attempts.begin(name, address):
        raise too_many_attempts(wait)
    account = checked_account(authenticator, name, password)
    if account is None:
        message = f"Wrong password {place}"
        security_event("password_refused", message, user=name, address=address, level=logging.WARNING)
    return account


def too_many_attempts(wait: int) -> WebError:
    """Return the error for an attempt that must wait some seconds."""
    minutes = -(-wait // 60)
    message = f"Too many wrong passwords or codes. Try again in {minutes} minute{'s' * (minutes > 1)}."
    return WebError(429, "too_many_logins", message, {"Retry-After": str(wait)})
