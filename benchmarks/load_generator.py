"""The load generator, a process of its own: each client sends its next request when the last is answered.

``python -m benchmarks.load_generator PORT CLIENTS SECONDS REQUEST_FILE...`` prints what came of it as JSON. A request
file holds a request as it goes over the wire, so that sending one costs hardly more than the copying of its bytes.
"""

import http.client
import json
import math
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_PATIENCE_SECONDS = 60
FULL = 503


class Client(threading.Thread):
    """One client with one connection, opened again when the service closes it.

    Args:
        port: of the service, on this machine.
        requests: sent in turn.
        first: index of the first request.
        deadline: on the clock of ``time.perf_counter``; no request starts later.

    Attributes:
        accepted: duration in seconds of each request answered with 200.
        refused: requests answered with 503.
        others: requests answered with another status.
        unanswered: requests without an answer.
    """

    def __init__(self, port: int, requests: list[bytes], first: int, deadline: float) -> None:
        super().__init__()
        self._port, self._requests, self._turn, self._deadline = port, requests, first, deadline
        self._socket: socket.socket | None = None
        self.accepted: list[float] = []
        self.refused = self.others = self.unanswered = 0

    def run(self) -> None:
        """Send until the deadline."""
        while (began := time.perf_counter()) < self._deadline:
            status = self._send(self._requests[self._turn % len(self._requests)])
            self._turn += 1
            if status == http.client.OK:
                self.accepted.append(time.perf_counter() - began)
            self.refused += status == FULL
            self.unanswered += status is None
            self.others += status not in (http.client.OK, FULL, None)
        self._close()

    def _send(self, request: bytes) -> int | None:
        """Return the status, or None if there was no answer."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), _PATIENCE_SECONDS)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A full service may answer and close before it has read the whole request.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._socket.sendall(request)
            answer = http.client.HTTPResponse(self._socket, method="POST")
            answer.begin()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._close()
            return None
        if answer.will_close:
            self._close()
        return answer.status

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def generate(port: int, clients: int, seconds: float, requests: list[bytes]) -> dict[str, Any]:
    """Run the clients and summarise their requests; the percentiles are those of accepted requests."""
    began = time.perf_counter()
    threads = [Client(port, requests, number, began + seconds) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = sorted(time_taken for thread in threads for time_taken in thread.accepted)
    return {
        "seconds": time.perf_counter() - began,
        "accepted": len(accepted),
        "refused": sum(thread.refused for thread in threads),
        "unanswered": sum(thread.unanswered + thread.others for thread in threads),
        "p50_ms": _percentile(accepted, 0.50) * 1e3,
        "p99_ms": _percentile(accepted, 0.99) * 1e3,
    }


def _percentile(ordered: list[float], share: float) -> float:
    """Return the percentile: the smallest value that a share of the values does not exceed; 0 without values."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0


def main() -> None:
    """Read the command line, generate, print."""
    port, clients, seconds, *files = sys.argv[1:]
    requests = [Path(file).read_bytes() for file in files]
    print(json.dumps(generate(int(port), int(clients), float(seconds), requests)))


if __name__ == "__main__":
    main()
