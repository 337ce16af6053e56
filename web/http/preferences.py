"""How a reader wants the pages: cookies of the browser, so that they hold before a login too."""

from typing import Literal, get_args

from fastapi import Request
from starlette.responses import Response

Theme = Literal["system", "light", "dark"]

_THEMES: tuple[Theme, ...] = get_args(Theme)
_THEME_COOKIE = "theme"
_YEAR_SECONDS = 365 * 24 * 3600


def theme_of(request: Request) -> Theme:
    """Return the colour scheme that the reader chose; ``system`` follows the system's."""
    chosen = request.cookies.get(_THEME_COOKIE)
    return next((theme for theme in _THEMES if theme == chosen), "system")


def remember_theme(request: Request, response: Response, theme: Theme) -> None:
    """Have the browser keep the colour scheme for a year."""
    _remember(request, response, _THEME_COOKIE, theme)


def _remember(request: Request, response: Response, name: str, value: str) -> None:
    secure = request.app.state.settings.web_secure_cookies
    response.set_cookie(name, value, _YEAR_SECONDS, secure=secure, httponly=True, samesite="lax")
