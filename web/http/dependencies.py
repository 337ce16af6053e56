"""What routes ask for by type: the desk's services, and the user with the role that a page needs."""

import logging
from typing import Annotated, cast

from fastapi import Depends, Path, Request

from results.database import Database
from web.auth.csrf import require_csrf
from web.auth.login_attempts import LoginAttempts
from web.auth.second_factors import SecondFactors
from web.auth.security_log import security_event
from web.auth.users import Authenticator, User
from web.categories import Categories
from web.http.errors import WebError
from web.inference import Service
from web.pictures import Pictures
from web.settings import Role, WebSettings

# FastAPI runs what is not `async` in a thread of its limited pool; these functions only read an attribute.


async def _settings(request: Request) -> WebSettings:
    return cast(WebSettings, request.app.state.settings)


async def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


async def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


async def _categories(request: Request) -> Categories:
    return cast(Categories, request.app.state.categories)


async def _pictures(request: Request) -> Pictures:
    return cast(Pictures, request.app.state.pictures)


async def _authenticator(request: Request) -> Authenticator:
    return cast(Authenticator, request.app.state.authenticator)


async def _login_attempts(request: Request) -> LoginAttempts:
    return cast(LoginAttempts, request.app.state.login_attempts)


async def _second_factors(request: Request) -> SecondFactors:
    return cast(SecondFactors, request.app.state.second_factors)


SettingsDep = Annotated[WebSettings, Depends(_settings)]
DatabaseDep = Annotated[Database, Depends(_database)]
ServiceDep = Annotated[Service, Depends(_service)]
CategoriesDep = Annotated[Categories, Depends(_categories)]
PicturesDep = Annotated[Pictures, Depends(_pictures)]
AuthenticatorDep = Annotated[Authenticator, Depends(_authenticator)]
LoginAttemptsDep = Annotated[LoginAttempts, Depends(_login_attempts)]
SecondFactorsDep = Annotated[SecondFactors, Depends(_second_factors)]


class RequireRole:
    """A dependency that gives the user if their role suffices.

    Args:
        role: the least role that the route needs.
        first_password: also let in a user who must first choose another password.
    """

    def __init__(self, role: Role, first_password: bool = False) -> None:
        self._role = role
        self._first_password = first_password

    def __call__(self, request: Request, authenticator: AuthenticatorDep) -> User:
        """Return the user.

        Raises:
            WebError: 401 if there is none; 403 if the role does not suffice or the password must be changed first.
        """
        user = authenticator.user(request)
        if user is None:
            raise WebError(401, "login_required", "Log in first, at /login.")
        if user.must_change_password and not self._first_password:
            raise WebError(403, "password_change_required", "Choose a password of your own first, at /account.")
        if not user.may(self._role):
            security_event(
                "access_refused",
                f"{request.method} {request.url.path} needs the role {self._role}",
                user=user.name,
                address=authenticator.client_address(request),
                level=logging.WARNING,
            )
            raise WebError(403, "not_allowed", f"Your role is {user.role}. This needs the role {self._role}.")
        return user


Viewer = Annotated[User, Depends(RequireRole("viewer"))]
Reviewer = Annotated[User, Depends(RequireRole("reviewer"))]
_ADMIN = Depends(RequireRole("admin"))
Admin = Annotated[User, _ADMIN]
LoggedIn = Annotated[User, Depends(RequireRole("viewer", first_password=True))]

VIEWERS_ONLY = [Depends(RequireRole("viewer"))]
ADMINS_ONLY = [_ADMIN]
CSRF_PROTECTED = [Depends(require_csrf)]

LARGEST_ID = 2**63 - 1  # the largest integer that a column holds
PhotoId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
ReviewId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
SessionId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
RunId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
