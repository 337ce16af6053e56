"""The answers' shapes on the wire."""

import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from handler.errors import ErrorCode, PhotoError

JSON = "application/json"
PNG = "image/png"
_RESTART_SECONDS = 10


@dataclass(frozen=True)
class Response:
    """One HTTP response, ready for TorchServe.

    Attributes:
        status: HTTP status.
        body: encoded body.
        content_type: of the body.
        counted: the predictions and errors in it that the metrics count.
        headers: further ones, name and value.
    """

    status: int
    body: bytes
    content_type: str = JSON
    counted: tuple[dict[str, Any], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def phrase(self) -> str:
        """Return the reason phrase; only ASCII is safe, anything else kills the worker."""
        return HTTPStatus(self.status).phrase


def json_response(value: dict[str, Any], status: int = 200, counted: tuple[dict[str, Any], ...] = ()) -> Response:
    """Encode an answer compactly; a NaN in it is a bug and raises ValueError rather than make invalid JSON."""
    return Response(status, json.dumps(value, allow_nan=False, separators=(",", ":")).encode(), counted=counted)


def error_entry(code: ErrorCode, message: str) -> dict[str, Any]:
    """Return the one error shape of everything that our code answers."""
    return {"error": {"code": code, "message": message}}


def error_response(error: PhotoError) -> Response:
    """Encode a photo's fault."""
    entry = error_entry(error.code, error.message)
    return json_response(entry, error.status, (entry,))


def internal_error_entry() -> dict[str, Any]:
    """Return the shape of a fault of ours: no detail leaves the server, the log has it."""
    return error_entry(ErrorCode.INTERNAL_ERROR, "The service failed on this photo. Try again later.")


def internal_error_response() -> Response:
    """Encode a fault of ours."""
    entry = internal_error_entry()
    return json_response(entry, ErrorCode.INTERNAL_ERROR.status, (entry,))


def draining_response() -> Response:
    """Decline a request because the service is about to end; the next one to start will take it."""
    entry = error_entry(ErrorCode.DRAINING, "The service is about to end or restart. Try again in a little while.")
    return replace(
        json_response(entry, ErrorCode.DRAINING.status, (entry,)), headers=(("Retry-After", str(_RESTART_SECONDS)),)
    )
