"""The HTTP server of the desk: uvicorn, with a bound on everything that a client can make it wait for."""

import asyncio
import contextlib
import errno
import resource
import socket
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors import ChangeReload

_STOP_SECONDS = 10
_ROOT = Path(__file__).resolve().parents[2]
_RELOADED = tuple(str(_ROOT / name) for name in ("web", "results", "service_client"))
_FREE_DESCRIPTORS = 2  # one in two file descriptors stays free for databases, pictures and uploads


class ServerError(Exception):
    """The desk cannot listen; the message names the setting to change."""


class BoundedProtocol(H11Protocol):
    """One connection. A client that is too slow loses it.

    uvicorn's ``limit_concurrency`` is not used: it counts idle connections too, so strangers who only connect could
    make the desk refuse everybody. Here the connection that has waited longest for a request makes room for a new one.

    Attributes:
        HEAD_SECONDS: until the head of a request must be complete.
        BODY_SECONDS: until its body must be complete.
        STALL_SECONDS: for how long a client may stop reading the response.
        MOST_CONNECTIONS: open at the same time.
    """

    HEAD_SECONDS = 10.0
    BODY_SECONDS = 600.0
    STALL_SECONDS = 120.0
    MOST_CONNECTIONS = min(512, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _FREE_DESCRIPTORS)

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._deadlines: dict[str, asyncio.TimerHandle] = {}
        self.waiting_since = self.loop.time()

    @property
    def is_waiting(self) -> bool:
        """Whether we wait for a request: none has come yet, or the last one is answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, in the place of the longest waiting one if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.MOST_CONNECTIONS:
            others = [other for other in self.connections if isinstance(other, BoundedProtocol) and other is not self]
            waiting = [other for other in others if other.is_waiting and not other.transport.is_closing()]
            oldest = min(waiting, key=lambda other: other.waiting_since, default=self)
            oldest.transport.abort()
        self._begin("head", self.HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        super().data_received(data)
        if self.is_waiting:
            self._begin("head", self.HEAD_SECONDS)
            return
        self._end("head")
        if self.cycle.more_body:
            self._begin("body", self.BODY_SECONDS)
        else:
            self._end("body")

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._end("body")
        self.waiting_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Stop the response until the client has read more of it."""
        super().pause_writing()
        self._begin("stall", self.STALL_SECONDS)

    def resume_writing(self) -> None:
        """Go on with the response."""
        self._end("stall")
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for name in list(self._deadlines):
            self._end(name)
        super().connection_lost(exc)

    def _begin(self, name: str, seconds: float) -> None:
        if name not in self._deadlines:
            self._deadlines[name] = self.loop.call_later(seconds, self.transport.abort)

    def _end(self, name: str) -> None:
        if name in self._deadlines:
            self._deadlines.pop(name).cancel()


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind the addresses of a host name.

    Raises:
        ServerError: an address cannot be bound.
    """
    sockets = []
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            bound = socket.socket(family, kind, protocol)
            sockets.append(bound)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind(address)
    except OSError as error:
        for bound in sockets:
            bound.close()
        raise ServerError(_why(error, host, port)) from error
    return sockets


def run(app: FastAPI | str, sockets: list[socket.socket], reload: bool = False) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        app: the application; with ``reload`` the import path of a function that returns it.
        sockets: of :func:`listen`.
        reload: restart whenever a Python file of the desk changes, for development.
    """
    watched: dict[str, Any] = {
        "factory": True,
        "reload": True,
        "reload_dirs": [str(_ROOT / name) for name in _RELOADED],
    }
    config = server_config(app, **(watched if reload else {}))
    server = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        if reload:
            ChangeReload(config, target=server.run, sockets=sockets).run()
        else:
            server.run(sockets=sockets)


def server_config(app: FastAPI | str, protocol: type[BoundedProtocol] = BoundedProtocol, **more: Any) -> uvicorn.Config:
    """Return uvicorn's settings for the desk."""
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        # Behind a proxy the address of the peer decides whose headers count, so uvicorn must not replace it.
        proxy_headers=False,
        server_header=False,
        log_config=None,  # web/log.py configures all loggers
        log_level="info",
        timeout_graceful_shutdown=_STOP_SECONDS,
        **more,
    )


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program; stop it, or set WEB_PORT to another port"
    if error.errno == errno.EACCES:
        return f"port {port} needs the rights of root; set WEB_PORT to a port above 1023"
    return f"WEB_HOST={host} is not an address of this machine ({error.strerror or error})"
