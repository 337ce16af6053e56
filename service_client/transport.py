"""HTTP requests to the service: pooled connections, and a time limit for each whole call."""

import http.client
import io
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

_LARGEST_REPLY = 16 << 20  # bytes; the service never answers with more
_PIECE = 1 << 20  # bytes that are read or sent at once
_TLS_RECORD = 1 << 14  # bytes
_call = threading.local()  # ``ends_at``: when the call of this thread has to be over, by time.monotonic()


class NoReply(Exception):
    """The service did not answer; the message is a short clause such as ``no connection``."""


@dataclass(frozen=True)
class Reply:
    """An HTTP response.

    Attributes:
        status: HTTP status.
        body: content, whole.
    """

    status: int
    body: bytes


class Transport:
    """A pool of connections to one base URL; safe to share between threads.

    It uses urllib3 without requests on purpose. It reads no proxy, ``.netrc`` or other setting from the environment
    and follows no redirect: neither photos nor the token go anywhere but to the URL.

    Args:
        url: base URL.
        connections: number of connections that stay open.
        connect_seconds: time limit for each connection attempt.
    """

    def __init__(self, url: str, connections: int, connect_seconds: float) -> None:
        parsed = parse_url(url)
        self._path = (parsed.path or "").rstrip("/")
        self._connect_seconds = connect_seconds
        pool = _HTTPSPool if parsed.scheme == "https" else _HTTPPool
        self._pool = pool(parsed.host or "", parsed.port, maxsize=connections)

    def post(self, path: str, body: bytes | bytearray, headers: Mapping[str, str], seconds: float) -> Reply:
        """Send one request and return the response.

        Args:
            path: below the base URL.
            body: content of the request.
            headers: of the request.
            seconds: time limit for the whole call, from the connection to the last byte of the response.

        Raises:
            NoReply: there was no response, or not within the time limit.
        """
        _call.ends_at = time.monotonic() + seconds
        try:
            response = self._pool.urlopen(
                "POST",
                self._path + path,
                body=body,  # type: ignore[arg-type]  # any buffer will do
                headers=dict(headers),
                timeout=Timeout(connect=min(self._connect_seconds, seconds), read=seconds),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            content = b""
            while len(content) <= _LARGEST_REPLY and (piece := response.read(_PIECE)):
                content += piece
        except HTTPError as error:
            is_late = time.monotonic() >= _call.ends_at
            raise NoReply(f"no answer within {seconds:g} s" if is_late else "no connection") from error
        if len(content) > _LARGEST_REPLY:
            response.close()
            raise NoReply("the answer does not end")
        response.release_conn()
        return Reply(response.status, content)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class _Bounded:
    """Applies the time limit of the call to everything that a connection sends and reads.

    The read timeout of urllib3 and of requests starts again with each byte. A peer that sends one byte in each
    interval keeps such a call open for ever.
    """

    sock: socket.socket | None
    # Bytes that are sent under one socket timeout. ``sendall`` of a plain socket counts the time of all its parts.
    piece = _PIECE

    def send(self, data: bytes) -> None:
        """Send bytes."""
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        view = memoryview(data)
        for start in range(0, len(view), self.piece):
            assert self.sock is not None
            self.sock.settimeout(_seconds_left(_call.ends_at))
            super().send(view[start : start + self.piece])  # type: ignore[misc]

    def getresponse(self) -> Any:
        """Read the head of the response, and prepare reading its body."""
        self.response_class = partial(_BoundedResponse, ends_at=_call.ends_at)
        return super().getresponse()  # type: ignore[misc]


class _HTTPConnection(_Bounded, HTTPConnection):  # type: ignore[misc]
    pass


class _HTTPSConnection(_Bounded, HTTPSConnection):  # type: ignore[misc]
    piece = _TLS_RECORD


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _BoundedResponse(http.client.HTTPResponse):
    """A response whose reads share one time limit."""

    def __init__(self, sock: socket.socket, *args: Any, ends_at: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_BoundedReader(sock, self.fp.detach(), ends_at))


class _BoundedReader(io.RawIOBase):
    """Reads from a socket until a point in time."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, ends_at: float) -> None:
        self._sock, self._raw, self._ends_at = sock, raw, ends_at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there into a buffer.

        Raises:
            TimeoutError: the time is over.
        """
        self._sock.settimeout(_seconds_left(self._ends_at))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _seconds_left(ends_at: float) -> float:
    seconds = ends_at - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the time limit of the call is over")
    return seconds
