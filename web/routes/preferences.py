"""Choose the colour scheme and the language of the pages."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from web.auth.csrf import check_csrf
from web.http.errors import WebError
from web.http.preferences import Theme, remember_language, remember_theme
from web.routes.login import own_path
from web.translation import LANGUAGES

router = APIRouter(prefix="/preferences", include_in_schema=False)
_Token = Annotated[str, Form()]


@router.post("/theme")
def choose_theme(
    request: Request, theme: Annotated[Theme, Form()], back: Annotated[str, Form()] = "/account", csrf: _Token = ""
) -> Response:
    """Remember the colour scheme in this browser, and show the page again."""
    check_csrf(request, csrf)
    response = RedirectResponse(own_path(back), 303)
    remember_theme(request, response, theme)
    return response


@router.post("/language")
def choose_language(
    request: Request,
    language: Annotated[str, Form()] = "",
    back: Annotated[str, Form()] = "/account",
    csrf: _Token = "",
) -> Response:
    """Remember the language in this browser, and show the page again."""
    check_csrf(request, csrf)
    if language not in LANGUAGES:
        raise WebError(422, "invalid_request", f"The languages are {', '.join(LANGUAGES)}.")
    response = RedirectResponse(own_path(back), 303)
    remember_language(request, response, language)
    return response
