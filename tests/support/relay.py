"""A line to a server on this machine that a test can cut, mend, or break within an answer."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_BLOCK = 1 << 14


class Line:
    """Passes on what comes to a port of its own while it is not cut.

    Args:
        target: port of the server.

    Attributes:
        port: of this end.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._ends: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._break_after: int | None = None
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Accept connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept, self._listener)

    def cut(self) -> None:
        """End all connections and accept no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """End all connections; new ones are accepted."""
        with self._lock:
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def drop_after(self, size: int) -> None:
        """End all connections once, when the server has sent so many bytes more."""
        self._break_after = size

    def close(self) -> None:
        """Cut it for good."""
        self.cut()
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                self._start(self._pass_on, listener.accept()[0])

    def _pass_on(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._target)) as far, suppress(OSError):
            with self._lock:
                self._ends |= {near, far}
            while blocks := [(end, end.recv(_BLOCK)) for end in select.select([near, far], [], [])[0]]:
                if not all(block for _, block in blocks):
                    break
                for end, block in blocks:
                    if end is far and self._is_to_break(len(block)):
                        self.drop()
                    (near if end is far else far).sendall(block)
            with self._lock:
                self._ends -= {near, far}

    def _is_to_break(self, size: int) -> bool:
        with self._lock:
            if self._break_after is None:
                return False
            self._break_after -= size
            if self._break_after > 0:
                return False
            self._break_after = None
            return True


@contextmanager
def line_to(port: int) -> Iterator[Line]:
    """Lay a line for the block."""
    line = Line(port)
    try:
        yield line
    finally:
        line.close()
