"""The service, over HTTP: one request, one answer, no opinion about trying again."""

import json
from dataclasses import dataclass
from pathlib import Path

import requests

from batch_client.errors import UsageError
from batch_client.inference.responses import Prediction, Refusal, Trouble, read_answer
from service_client.connection import Connection, TokenRefused, read_token_file

_DOOR = "predictions"
_CONNECT_SECONDS = 3
_READ_SECONDS = 90  # longer than the engine lets one server batch take (responseTimeout)
# The service has the photo decoded already: to decode it here once more would cost half of what the service does.
_HEADERS = {"X-Fingerprint": "1"}


@dataclass(frozen=True)
class ServedModel:
    """Which model answers, and with which categories."""

    model_version: str
    contract_version: str
    classes: frozenset[str]


class Service:
    """A connection pool to ``/predictions/refund_classifier``; safe to share between threads.

    Args:
        url: base URL of the inference API.
        token_file: holds the inference token; read again when the service refuses it, for it is new at every start.
        connections: kept open at once.
    """

    def __init__(self, url: str, token_file: Path, connections: int) -> None:
        self.token_file = token_file
        timeout = (_CONNECT_SECONDS, _READ_SECONDS)
        self._connection = Connection(url, self._read_token, connections, timeout, _HEADERS)
        self.url = self._connection.address(_DOOR)

    def describe(self) -> ServedModel | Trouble:
        """Ask which model answers."""
        status, body = self._post(b'{"describe": true}', "application/json")
        if status == 200:
            try:
                described = json.loads(body)
                return ServedModel(
                    model_version=str(described["model_version"]),
                    contract_version=str(described["contract_version"]),
                    classes=frozenset(described["classes"]),
                )
            except (ValueError, KeyError, TypeError):
                return Trouble("away", "it does not describe itself as the refund classifier")
        answer = _to_answer(status, body)
        return answer if isinstance(answer, Trouble) else Trouble("away", f"HTTP {status}")

    def classify(self, photo: bytes) -> Prediction | Refusal | Trouble:
        """Post one photo, encoded as it lies in the folder."""
        # Octet-stream: the service tells the format by the bytes, and no guess of ours can mislead the engine.
        return _to_answer(*self._post(photo, "application/octet-stream"))

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def _post(self, body: bytes, content_type: str) -> tuple[int, bytes]:
        """Return status and body; 0 and a sentence when there was no answer."""
        try:
            answer = self._connection.post(_DOOR, body, content_type)
        except requests.RequestException as error:
            return 0, _sentence(error).encode()
        except TokenRefused as refusal:
            if not refusal.token:  # a service that restarts has yet to write it
                return 0, f"there is no token in {self.token_file}".encode()
            answer = refusal.response
        return answer.status_code, answer.content

    def _read_token(self) -> str:
        """Read the token; empty while there is none.

        Raises:
            UsageError: the file holds something else; its content is not shown.
        """
        try:
            return read_token_file(self.token_file)
        except ValueError:
            message = f"TORCHSERVE_TOKEN_FILE ({self.token_file}) must hold the inference token, nothing else"
            raise UsageError(message) from None


def _to_answer(status: int, body: bytes) -> Prediction | Refusal | Trouble:
    return read_answer(status, body) if status else Trouble("away", body.decode())


def _sentence(error: Exception) -> str:
    """Name a transport fault without the library's nesting."""
    if isinstance(error, requests.ReadTimeout):
        return f"no answer within {_READ_SECONDS} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
