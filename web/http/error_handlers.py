"""Turn every error into one shape of response: JSON for programs, a page for people."""

import logging
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from results.database import ResultsError
from web.auth.second_factors import SecondFactorsError
from web.auth.sessions import SessionsError
from web.http.errors import WebError
from web.http.middleware import SECURITY_HEADERS
from web.http.rendering import render, wants_page

log = logging.getLogger(__name__)

_CODES = {404: "not_found", 405: "method_not_allowed", 400: "bad_request"}
_TITLES = {
    401: "Please log in",
    403: "Not allowed",
    404: "Not found",
    405: "Not found",
    429: "Please wait",
    503: "Not available at the moment",
}


def install_handlers(app: FastAPI) -> None:
    """Register a handler for each kind of error."""

    @app.exception_handler(WebError)
    def on_web_error(request: Request, error: WebError) -> Response:
        if error.status == 401 and wants_page(request) and request.method == "GET":
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"/login?next={quote(request.url.path + query)}", 303)
        if error.body["error"]["code"] == "password_change_required" and wants_page(request):
            return RedirectResponse("/account", 303)
        return _respond(request, error.status, error.body, error.headers)

    @app.exception_handler(HTTPException)
    def on_http_error(request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, WebError):  # raised while a body was read; FastAPI made it a 400
            return on_web_error(request, error.__cause__)
        code = _CODES.get(error.status_code, "http_error")
        body = {"error": {"code": code, "message": f"{request.method} {request.url.path}: {error.detail}"}}
        return _respond(request, error.status_code, body, dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    def on_bad_input(request: Request, error: RequestValidationError) -> Response:
        problems = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        return _respond(request, 422, {"error": {"code": "invalid_request", "message": problems}}, {})

    @app.exception_handler(ResultsError)
    def on_results_error(request: Request, error: ResultsError) -> Response:
        log.error("%s %s: %s", request.method, request.url.path, error)
        message = "The results cannot be read or written at the moment. The log says why; try again."
        return _respond(request, 503, {"error": {"code": "results_away", "message": message}}, {"Retry-After": "5"})

    @app.exception_handler(SessionsError)
    def on_sessions_error(request: Request, error: SessionsError) -> Response:
        log.error("%s %s: %s", request.method, request.url.path, error)
        message = "Logins cannot be read or stored at the moment. The log says why; try again."
        return _respond(request, 503, {"error": {"code": "sessions_away", "message": message}}, {"Retry-After": "5"})

    @app.exception_handler(SecondFactorsError)
    def on_second_factors_error(request: Request, error: SecondFactorsError) -> Response:
        log.error("%s %s: %s", request.method, request.url.path, error)
        message = "Codes of authenticator apps cannot be checked at the moment. The log says why."
        return _respond(request, 503, {"error": {"code": "second_factors_away", "message": message}}, {})

    @app.exception_handler(Exception)
    def on_bug(request: Request, _: Exception) -> Response:
        message = "The desk failed. Nothing was stored; the log has the details."
        return _respond(request, 500, {"error": {"code": "internal_error", "message": message}}, SECURITY_HEADERS)


def _respond(request: Request, status: int, body: dict[str, Any], headers: dict[str, str]) -> Response:
    if not wants_page(request):
        return JSONResponse(body, status, headers)
    context = {"title": _TITLES.get(status, "That did not work"), "status": status, **body}
    return render(request, "error.html", context, status, headers)
