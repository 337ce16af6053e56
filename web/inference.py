"""TorchServe over HTTP: one photo in, its answer out."""

import json
import time
from pathlib import Path
from typing import Any

import requests

from service_client.connection import Connection, TokenRefused, read_token_file
from web.http.errors import WebError

_CONNECT_SECONDS = 2
_READ_SECONDS = 60
_POOL = 16
_KNOWN_SECONDS = 60  # how long the categories that the model named are taken for granted
_AWAY_SECONDS = 3  # how long a model that did not answer is not asked again: every page would wait for it
_RETRY_AFTER = {"Retry-After": "5"}


class Service:
    """A connection pool to the model; safe to share between threads.

    Args:
        url: base URL of the inference API.
        token_file: holds the inference token; read again when the service refuses it, for it is new at every start.
    """

    def __init__(self, url: str, token_file: Path) -> None:
        self._connection = Connection(url, lambda: _token(token_file), _POOL, (_CONNECT_SECONDS, _READ_SECONDS))
        self._described: tuple[float, dict[str, Any]] | None = None
        self._away_until = 0.0

    def describe(self) -> dict[str, Any] | None:
        """Return what the model says of itself, at most a minute old; None while it is away."""
        known, now = self._described, time.monotonic()
        if known is not None and now - known[0] < _KNOWN_SECONDS:
            return known[1]
        if now < self._away_until:
            return None
        try:
            answer = self._post("predictions", b'{"describe": true}', "application/json")
            described = answer.json() if answer.status_code == 200 else None
        except (WebError, ValueError):
            described = None
        if not isinstance(described, dict) or "classes" not in described:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            return None
        self._described = (time.monotonic(), described)
        return described

    def last_described(self) -> dict[str, Any] | None:
        """Return what the model says of itself, or last said; None if it never did."""
        return self.describe() or (self._described[1] if self._described is not None else None)

    def classify(self, photo: bytes, explain: bool = False) -> dict[str, Any]:
        """Classify one photo; with the field ``heatmap`` when it shall be explained.

        Raises:
            WebError: the photo is at fault (the service's own status and code), or 503, the service is.
        """
        # Octet-stream: the service tells the format by the bytes, and no header of a browser can mislead the engine.
        answer = self._post("explanations" if explain else "predictions", photo, "application/octet-stream")
        try:
            value = json.loads(answer.content) if answer.content else {}
        except ValueError:
            value = {}
        if answer.status_code == 200 and "predicted_class" in value:
            return dict(value)
        if 400 <= answer.status_code < 500 and isinstance(value.get("error"), dict):
            raise WebError(answer.status_code, str(value["error"].get("code")), str(value["error"].get("message")))
        if answer.status_code == 413:
            raise WebError(413, "too_many_bytes", "The photo is larger than the service takes. Send a smaller JPEG.")
        raise _away(f"it answered {answer.status_code}")

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def _post(self, door: str, body: bytes, content_type: str) -> requests.Response:
        try:
            return self._connection.post(door, body, content_type)
        except requests.RequestException as error:
            raise _away("there is no connection") from error
        except TokenRefused as error:
            raise _away("it refuses the token in TORCHSERVE_TOKEN_FILE") from error


def _token(path: Path) -> str:
    """Read the token; empty while there is none, or none that a header can carry."""
    try:
        return read_token_file(path)
    except ValueError:
        return ""


def _away(why: str) -> WebError:
    message = f"The classification service is away: {why}. Try again in a moment; `make serve` starts it."
    return WebError(503, "service_away", message, _RETRY_AFTER)
