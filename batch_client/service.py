"""The service, over HTTP: one request, one answer, no opinion about trying again."""

import json
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from batch_client.answers import Prediction, Refusal, Trouble, read_answer
from batch_client.errors import UsageError

MODEL_NAME = "refund_classifier"
_CONNECT_SECONDS = 3
_READ_SECONDS = 90  # longer than the engine lets one server batch take (responseTimeout)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class ServedModel:
    """Which model answers, and with which categories."""

    model_version: str
    contract_version: str
    classes: frozenset[str]


class _Bearer(requests.auth.AuthBase):
    """Says the token, so that no entry of a ``.netrc`` takes its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Service:
    """A connection pool to ``/predictions/refund_classifier``; safe to share between threads.

    Args:
        url: base URL of the inference API.
        token_file: holds the inference token; read again when the service refuses it, for it is new at every start.
        connections: kept open at once.
    """

    def __init__(self, url: str, token_file: Path, connections: int) -> None:
        self.url = f"{url.rstrip('/')}/predictions/{MODEL_NAME}"
        self.token_file = token_file
        self._token = self._read_token()
        self._token_lock = threading.Lock()
        self._session = requests.Session()
        # A proxy for the outside world must not get what stays on this machine.
        self._session.trust_env = urlsplit(url).hostname not in _LOOPBACK
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

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
        self._session.close()

    def _post(self, body: bytes, content_type: str) -> tuple[int, bytes]:
        """Return status and body; 0 and a sentence when there was no answer.

        A token that the service refuses is read again, and the request sent again if the file holds another now.
        """
        while True:
            token = self._token
            try:
                answer = self._session.post(
                    self.url,
                    data=body,
                    headers={"Content-Type": content_type},
                    auth=_Bearer(token),
                    timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                )
            except requests.RequestException as error:
                return 0, _sentence(error).encode()
            refused = answer.status_code == 400 and b"InvalidKeyException" in answer.content
            if refused and self._renew_token(token):
                continue
            if refused and not token:  # a service that restarts has yet to write it
                return 0, f"there is no token in {self.token_file}".encode()
            return answer.status_code, answer.content

    def _renew_token(self, refused: str) -> bool:
        """Read the token again, unless another thread has; false when there is none but the refused one."""
        with self._token_lock:
            if self._token == refused:
                self._token = self._read_token()
            return self._token != refused

    def _read_token(self) -> str:
        """Read the token; empty while there is none.

        Raises:
            UsageError: the file holds something else; its content is not shown.
        """
        try:
            token = self.token_file.read_text(encoding="utf-8-sig", errors="replace").strip()
        except OSError:
            return ""  # the service may be starting; it will refuse, and then the file is read again
        if not re.fullmatch(r"[!-~]*", token):
            raise UsageError(f"TORCHSERVE_TOKEN_FILE ({self.token_file}) must hold the inference token, nothing else")
        return token


def _to_answer(status: int, body: bytes) -> Prediction | Refusal | Trouble:
    return read_answer(status, body) if status else Trouble("away", body.decode())


def _sentence(error: Exception) -> str:
    """Name a transport fault without the library's nesting."""
    if isinstance(error, requests.ReadTimeout):
        return f"no answer within {_READ_SECONDS} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
