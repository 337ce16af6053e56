"""The shapes of responses on the wire."""

import json
from dataclasses import dataclass
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
        headers: further headers, name and value.
    """

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def phrase(self) -> str:
        """Return the reason phrase. It must be ASCII: anything else ends the worker."""
        return HTTPStatus(self.status).phrase


def json_response(value: dict[str, Any], status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Encode a JSON object compactly.

    Raises:
        ValueError: the object holds a NaN, which is a bug of ours and would make invalid JSON.
    """
    body = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    return Response(status, body, headers=headers)


def error_entry(error: PhotoError) -> dict[str, Any]:
    """Return the one error shape of everything that our code answers."""
    return {"error": {"code": error.code, "message": error.message}}


def error_response(error: PhotoError) -> Response:
    """Encode an error with the status of its code."""
    draining = error.code is ErrorCode.DRAINING
    return json_response(
        error_entry(error), error.status, (("Retry-After", str(_RESTART_SECONDS)),) if draining else ()
    )
