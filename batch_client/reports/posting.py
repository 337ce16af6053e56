"""POST requests that take a bounded time, whatever the receiver does."""

import threading
from typing import Any

import requests

_TIMEOUT = (3, 10)  # seconds: connection attempt, and silence


class Post:
    """A POST request in a thread of its own, because requests limits the silence between two bytes, not the whole call.

    Args:
        url: of the receiver.
        follows_redirects: send the request again where the receiver points to.
        **content: body and headers, as requests takes them.
    """

    def __init__(self, url: str, follows_redirects: bool = False, **content: Any) -> None:
        self._error: str | None = None
        arguments = {"url": url, "allow_redirects": follows_redirects, **content}
        self._thread = threading.Thread(target=self._send, kwargs=arguments, name="post", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for the response, for so many seconds at most."""
        self._thread.join(max(0.0, seconds))

    @property
    def is_running(self) -> bool:
        """Whether the receiver has not responded yet."""
        return self._thread.is_alive()

    @property
    def error(self) -> str | None:
        """Why the request failed; None if the receiver answered 2xx. Valid once the request no longer runs.

        Never the text of an exception: it holds the URL, and with it perhaps a secret.
        """
        return self._error

    def _send(self, **arguments: Any) -> None:
        try:
            # Streamed, because only the status counts: a body that never ends is closed unread.
            with requests.post(stream=True, timeout=_TIMEOUT, **arguments) as response:
                if not 200 <= response.status_code < 300:
                    self._error = f"the receiver answered {response.status_code}"
        except requests.RequestException as error:
            self._error = type(error).__name__
