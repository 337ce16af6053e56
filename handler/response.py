"""The answers' shapes on the wire."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from handler.errors import PhotoError

JSON = "application/json"
PNG = "image/png"


@dataclass(frozen=True)
class Response:
    """One HTTP response, ready for TorchServe.

    Attributes:
        status: HTTP status.
        body: encoded body.
        content_type: of the body.
    """

    status: int
    body: bytes
    content_type: str = JSON

    @property
    def phrase(self) -> str:
        """Return the reason phrase; only ASCII is safe, anything else kills the worker."""
        return HTTPStatus(self.status).phrase


def json_response(value: dict[str, Any], status: int = 200) -> Response:
    """Encode an answer compactly; a NaN in it is a bug and raises ValueError rather than make invalid JSON."""
    return Response(status, json.dumps(value, allow_nan=False, separators=(",", ":")).encode())


def error_entry(code: str, message: str) -> dict[str, Any]:
    """Return the one error shape of everything that our code answers."""
    return {"error": {"code": code, "message": message}}


def error_response(error: PhotoError) -> Response:
    """Encode a photo's fault."""
    return json_response(error_entry(error.code, error.message), error.status)


def internal_error_entry() -> dict[str, Any]:
    """Return the shape of a fault of ours: no detail leaves the server, the log has it."""
    return error_entry("internal_error", "The service failed on this photo. Try again later.")


def internal_error_response() -> Response:
    """Encode a fault of ours."""
    return json_response(internal_error_entry(), 500)
