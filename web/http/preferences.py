"""How a reader wants the pages: cookies of the browser, so that they hold before a login too."""

from typing import Literal, get_args

from fastapi import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from web.translation import choose_language, speaking

Theme = Literal["system", "light", "dark"]

_THEMES: tuple[Theme, ...] = get_args(Theme)
_THEME_COOKIE = "theme"
_LANGUAGE_COOKIE = "language"
_YEAR_SECONDS = 365 * 24 * 3600


def theme_of(request: Request) -> Theme:
    """Return the colour scheme that the reader chose; ``system`` follows the system's."""
    chosen = request.cookies.get(_THEME_COOKIE)
    return next((theme for theme in _THEMES if theme == chosen), "system")


def language_of(request: Request) -> str:
    """Return the language for the reader: the chosen one, else the browser's, else English."""
    return choose_language(request.cookies.get(_LANGUAGE_COOKIE), request.headers.get("accept-language", ""))


def remember_language(request: Request, response: Response, language: str) -> None:
    """Have the browser keep the language for a year."""
    _remember(request, response, _LANGUAGE_COOKIE, language)


def remember_theme(request: Request, response: Response, theme: Theme) -> None:
    """Have the browser keep the colour scheme for a year."""
    _remember(request, response, _THEME_COOKIE, theme)


def _remember(request: Request, response: Response, name: str, value: str) -> None:
    secure = request.app.state.settings.web_secure_cookies
    response.set_cookie(name, value, _YEAR_SECONDS, secure=secure, httponly=True, samesite="lax")


class ReadersLanguage:
    """Answers each request in the language of its reader."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with speaking(language_of(Request(scope))):
            await self.app(scope, receive, send)
