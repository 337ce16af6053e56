"""Render pages: the templates, what all pages show, and how numbers and durations are written."""

import json
from pathlib import Path
from typing import Any, cast

from fastapi import Request
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from web import translation
from web.auth.csrf import csrf_token
from web.category_names import category_name
from web.http.preferences import theme_of

_ROOM = Path(__file__).resolve().parent.parent
STATIC = _ROOM / "static"
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_ROOM / "templates"),
    extensions=["jinja2.ext.i18n"],
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES = Jinja2Templates(env=_ENVIRONMENT)


def render(
    request: Request,
    template: str,
    context: dict[str, Any],
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """Render a page for the user of the request."""
    everywhere = {
        "user": request.app.state.authenticator.user(request),
        "csrf": csrf_token(request),
        "path": request.url.path,
        "theme": theme_of(request),
        "languages": translation.LANGUAGES,
    }
    language = translation.current_language() if template in translation.TRANSLATED else translation.ENGLISH
    with translation.speaking(language):
        everywhere["language"] = language
        return _TEMPLATES.TemplateResponse(request, template, {**everywhere, **context}, status, headers)


def environment() -> Environment:
    """Return the environment of the templates."""
    return _ENVIRONMENT


def wants_page(request: Request) -> bool:
    """Return True if a browser asks for a page; programs get JSON."""
    return "text/html" in request.headers.get("accept", "")


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share as a percentage. Only a share of 1 becomes 100%."""
    if share is None:
        return "-"
    text = f"{share * 100:.{digits}f}%"
    return _written(f"{100 - 10**-digits:.{digits}f}%" if share < 1 and text.startswith("100") else text)


def count(number: int) -> str:
    """Write a number with narrow spaces between groups of three digits."""
    return f"{number:,}".replace(",", "\u202f")


def plural(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def seconds(value: float | None) -> str:
    """Write a duration in seconds, minutes or hours."""
    if value is None:
        return "-"
    if value < 60:
        return _written(f"{value:.1f} s")
    minutes, rest = divmod(round(value), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {rest:02} s"


def _written(number: str) -> str:
    """Write a number with the decimal sign of the language: all but English have a comma."""
    return number if translation.current_language() == translation.ENGLISH else number.replace(".", ",")


def with_code(text: str) -> Markup:
    """Show what stands between backticks as code."""
    formats = (Markup("{}"), Markup("<code>{}</code>"))
    shown = [formats[number % 2].format(part) for number, part in enumerate(text.split("`"))]
    return Markup("").join(shown)


# `install_gettext_callables` comes with the extension, so its type does not know it.
cast(Any, _ENVIRONMENT).install_gettext_callables(
    translation.gettext, translation.ngettext, newstyle=True, pgettext=translation.pgettext
)
_ENVIRONMENT.globals.update(zip=zip)
_ENVIRONMENT.filters.update(
    with_code=with_code,
    role_name=translation.role_name,
    category=category_name,
    percent=percent,
    count=count,
    plural=plural,
    seconds=seconds,
    from_json=json.loads,
)
