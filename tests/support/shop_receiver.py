"""The shop's system as the receiver of decisions."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """The shop's system: keeps what it got, and answers with a status, or drips a byte now and then."""

    status: int = 204
    drips: bool = False
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def events(self, secret: str) -> list[dict[str, Any]]:
        """Return what it got, each event once and in the order of its arrival; each must bear the right signature."""
        events: dict[str, dict[str, Any]] = {}
        for headers, body in self.got:
            signed = headers["X-Refund-Timestamp"].encode() + b"." + body
            expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
            assert headers["X-Refund-Signature"] == f"sha256={expected}"
            assert abs(int(headers["X-Refund-Timestamp"]) - time.time()) < 300
            told: dict[str, Any] = json.loads(body)
            assert headers["X-Refund-Event-Id"] == told["event_id"]
            events.setdefault(told["event_id"], told)
        return list(events.values())


@contextmanager
def shop_receiver() -> Iterator[Receiver]:
    """Run a receiver on a free port."""
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.got.append((dict(self.headers.items()), body))
            if told.drips:
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 1_000:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(0.05)
            self.send_response(told.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        told.url = f"http://127.0.0.1:{server.server_port}/decisions"
        yield told
        server.shutdown()
        thread.join()
