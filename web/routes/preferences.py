"""Choose the colour scheme of the pages."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from web.auth.csrf import check_csrf
from web.http.preferences import Theme, remember_theme
from web.routes.login import own_path

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
