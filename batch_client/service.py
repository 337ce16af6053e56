"""The service, over HTTP."""

import json
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

from batch_client.answers import Prediction, Refusal, Trouble, read_answer

MODEL_NAME = "refund_classifier"
_CONNECT_SECONDS = 3
_READ_SECONDS = 90  # above the engine's own limit for one batch plus a full queue
_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 8.0


class ServiceAway(RuntimeError):
    """The service does not answer, or not as ours does; the message says what was seen and what to do."""


@dataclass(frozen=True)
class ServedModel:
    """Which model answers."""

    model_version: str
    contract_version: str


class Service:
    """A connection pool to ``/predictions/refund_classifier``; safe to share between threads.

    Args:
        url: base URL of the inference API.
        token_file: holds the inference token; read again when the service refuses it, for it is new at every start.
        connections: kept open at once.
    """

    def __init__(self, url: str, token_file: Path, connections: int) -> None:
        self.url = f"{url.rstrip('/')}/predictions/{MODEL_NAME}"
        self._token_file = token_file
        self._token = self._read_token()
        self._token_lock = threading.Lock()
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def describe(self) -> ServedModel:
        """Ask which model answers, with patience for a service that is just starting.

        Raises:
            ServiceAway: no proper answer within the attempts.
        """
        trouble = Trouble("retry", "not asked")
        for attempt in range(_ATTEMPTS):
            status, body = self._post(b'{"describe": true}', "application/json")
            if status == 200:
                try:
                    described = json.loads(body)
                    return ServedModel(str(described["model_version"]), str(described["contract_version"]))
                except (ValueError, KeyError, TypeError):
                    trouble = Trouble("other", f"{self.url} does not describe itself as the refund classifier")
            else:
                answer = read_answer(status, body)
                trouble = answer if isinstance(answer, Trouble) else Trouble("other", f"HTTP {status}")
            if trouble.kind == "token" and not self._renew_token():
                break
            _pause(attempt)
        raise self._away(trouble)

    def classify(self, photo: bytes) -> Prediction | Refusal | Trouble:
        """Post one photo, again and again while the fault may pass.

        Args:
            photo: encoded bytes, as they lie in the folder.

        Returns:
            Its prediction or refusal; a Trouble after the last attempt, while the service does answer others.

        Raises:
            ServiceAway: the service does not answer anything.
        """
        answer: Prediction | Refusal | Trouble = Trouble("retry", "not sent")
        for attempt in range(_ATTEMPTS):
            # Octet-stream: the service tells the format by the bytes, and no guess of ours can mislead the engine.
            answer = read_answer(*self._post(photo, "application/octet-stream"))
            if not isinstance(answer, Trouble):
                return answer
            if answer.kind == "other" or (answer.kind == "token" and not self._renew_token()):
                raise self._away(answer)
            _pause(attempt)
        self.describe()  # raises when it is not this photo alone
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _post(self, body: bytes, content_type: str) -> tuple[int, bytes]:
        """Return status and body; a transport fault looks like a 503 with its reason."""
        headers = {"Content-Type": content_type, "Authorization": f"Bearer {self._token}"}
        try:
            answer = self._session.post(self.url, data=body, headers=headers, timeout=(_CONNECT_SECONDS, _READ_SECONDS))
            return answer.status_code, answer.content
        except requests.RequestException as error:
            return 503, _sentence(error).encode()

    def _renew_token(self) -> bool:
        """Read the token again; false when it is the one that was refused."""
        with self._token_lock:
            read = self._read_token()
            changed = read != self._token
            self._token = read
            return changed

    def _read_token(self) -> str:
        try:
            return self._token_file.read_text(encoding="ascii").strip()
        except OSError:
            return ""  # the service may be starting; it will refuse, and then the file is read again

    def _away(self, trouble: Trouble) -> ServiceAway:
        remedy = "Start it with `make serve`, or set TORCHSERVE_URL."
        if trouble.kind == "token":
            remedy = f"Let TORCHSERVE_TOKEN_FILE name the file of the running service; {self._token_file} does not fit."
        return ServiceAway(f"{self.url} does not classify: {trouble.message}. {remedy}")


def _pause(attempt: int) -> None:
    """Wait a random time that doubles with each attempt, so that many senders do not come back together."""
    time.sleep(random.uniform(0.5, 1) * min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt))


def _sentence(error: Exception) -> str:
    """Name a transport fault without the library's nesting."""
    if isinstance(error, requests.ConnectTimeout | requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.Timeout):
        return f"no answer within {_READ_SECONDS} s"
    return type(error).__name__
