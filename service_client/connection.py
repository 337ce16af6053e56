"""Requests to the service, with the token that it accepts today."""

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

MODEL_NAME = "refund_classifier"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class TokenRefused(Exception):
    """The service refuses the token, and there is no other.

    Args:
        token: the refused one; empty if there is none.
        response: what the service answered.
    """

    def __init__(self, token: str, response: requests.Response) -> None:
        super().__init__("the service refuses the token")
        self.token = token
        self.response = response


class Connection:
    """A connection pool to the model; safe to share between threads.

    Args:
        url: base URL of the inference API.
        read_token: returns the inference token, empty while there is none; called at once, and again when the service
            refuses the token, for it is new at every start. What it raises comes out of the constructor and ``post``.
        connections: kept open at once.
        timeout: seconds to connect, and to wait for the answer.
        headers: of every request.
    """

    def __init__(
        self,
        url: str,
        read_token: Callable[[], str],
        connections: int,
        timeout: tuple[float, float],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._read_token = read_token
        self._token = read_token()
        self._lock = threading.Lock()
        self._timeout = timeout
        self._session = requests.Session()
        self._session.headers.update(headers or {})
        # A proxy for the outside world must not get what stays on this machine.
        self._session.trust_env = urlsplit(url).hostname not in _LOOPBACK
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def address(self, door: str) -> str:
        """Return the URL of one of the model's doors, such as ``predictions``."""
        return f"{self._url}/{door}/{MODEL_NAME}"

    def post(self, door: str, body: bytes, content_type: str) -> requests.Response:
        """Post; a token that is refused is read again, and the request sent again if there is another now.

        Raises:
            TokenRefused: there is no other.
            requests.RequestException: there was no answer.
        """
        while True:
            token = self._token
            response = self._session.post(
                self.address(door),
                data=body,
                headers={"Content-Type": content_type},
                auth=_Bearer(token),
                timeout=self._timeout,
            )
            if response.status_code != 400 or b"InvalidKeyException" not in response.content:
                return response
            if not self._renew_token(token):
                raise TokenRefused(token, response)

    def close(self) -> None:
        """Close the pool."""
        self._session.close()

    def _renew_token(self, refused: str) -> bool:
        """Read the token again, unless another thread has; false when there is none but the refused one."""
        with self._lock:
            if self._token == refused:
                self._token = self._read_token()
            return self._token != refused


def read_token_file(path: Path) -> str:
    """Read the token; empty while there is none.

    Raises:
        ValueError: the file holds something else, which no header can carry; the message does not show it.
    """
    try:
        token = path.read_text(encoding="utf-8-sig", errors="replace").strip()
    except OSError:
        return ""  # the service may be starting; it will refuse, and then the file is read again
    if not re.fullmatch(r"[!-~]*", token):
        raise ValueError(f"{path} holds something else than a token")
    return token


class _Bearer(requests.auth.AuthBase):
    """Says the token, so that no entry of a ``.netrc`` takes its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
