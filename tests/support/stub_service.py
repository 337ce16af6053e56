"""A service that answers as it is told: every fault of the network without waiting for one."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from handler.decoding.decode import Limits, decode
from handler.errors import PhotoError
from handler.fingerprint import fingerprint_of
from results.orders import Rule, decide
from tests.support.desk_pictures import desk_picture

Answer = tuple[int, Any]

ENGINE_FULL: Answer = (503, {"code": 503, "type": "ServiceUnavailableException", "message": "no worker"})
WORKER_DIED: Answer = (500, {"code": 500, "type": "InternalServerException", "message": "Worker died."})
WRONG_KEY: Answer = (400, {"code": 400, "type": "InvalidKeyException", "message": "Token Authorization failed"})
DRAINING: Answer = (503, {"error": {"code": "draining", "message": "Try again."}})
NOT_A_PHOTO: Answer = (415, {"error": {"code": "unsupported_format", "message": "These bytes are no photo."}})


def prediction(predicted_class: str = "Socks", model_version: str = "1.0.0") -> Answer:
    """Return a proper answer."""
    return 200, {
        "predicted_class": predicted_class,
        "confidence": 0.9,
        "decision": "accept",
        "top": [{"class": predicted_class, "probability": 0.9}],
        "model_version": model_version,
        "contract_version": "1",
    }


def looks(photo: bytes) -> dict[str, str] | None:
    """Return the fingerprint of a photo as the service tells it; None for bytes that are no photo."""
    try:
        return fingerprint_of(decode(photo, Limits(50_000_000, 100_000_000, 16, 16), 128))
    except PhotoError:
        return None


class StubService:
    """Answers each photo by ``answer(body, attempt)`` and remembers what it was asked.

    Attributes:
        answer: decides; ``attempt`` counts how often the same bytes came, from 1.
            None closes the connection unanswered.
        token: the only one it accepts.
        model_version: that it describes itself with.
        seconds: that each photo takes.
        room: photos that it takes at once; a further one is told that the engine is full.
        photos: bodies of all photos, in the order in which they came.
        pictures: bodies of the photos whose picture was requested whatever the decision.
        refused: requests for which it had no room.
        picture: makes the picture for the desk; None for bytes that are no photo.
        orders: what was ordered, of each photo that came with an order.
        softmax: of a photo; see :meth:`check_orders`.
    """

    def __init__(self) -> None:
        self.answer: Callable[[bytes, int], Answer | None] = lambda body, attempt: prediction()
        self.describes: Callable[[], Answer] = lambda: (
            200,
            {"model_version": self.model_version, "contract_version": "1", "classes": ["Socks", "Belts"]},
        )
        self.picture: Callable[[bytes], dict[str, Any] | None] = desk_picture
        self.token = "right"
        self.model_version = "1.0.0"
        self.photos: list[bytes] = []
        self.pictures: list[bytes] = []
        self.seconds = 0.0
        self.orders: list[str] = []
        self._rule: Rule | None = None
        self.softmax: Callable[[bytes], Sequence[float]] = lambda body: ()
        self.room = 1000
        self._inside = 0
        self.refused = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def check_orders(self, rule: Rule, softmax: Callable[[bytes], Sequence[float]], **described_too: Any) -> None:
        """Answer as a model with an order check does, by the probabilities of all outputs, the outlier's last."""
        self._rule, self.softmax = rule, softmax
        thresholds = {name: value for name, value in vars(rule).items() if name.endswith("_threshold")}
        described = {"model_version": self.model_version, "contract_version": "1", "classes": list(rule.classes)}
        self.describes = lambda: (200, {**described, **thresholds, **described_too})

    def with_order(self, value: dict[str, Any], body: bytes, expected: str | None, probabilities: bool) -> Any:
        """Add to a prediction what the order check says."""
        if self._rule is None:
            return value
        classes = self._rule.classes
        softmax = self.softmax(body)
        best = max(classes, key=lambda name: softmax[classes.index(name)])
        names = None if expected is None else "|".join(name.strip() for name in expected.split(","))
        decision = decide(softmax, names, self._rule)
        top = [{"class": best, "probability": value["confidence"]}]
        value = {**value, "predicted_class": best, "top": top, "decision": decision.decision, "reason": decision.reason}
        if expected is not None and names is not None:
            self.orders.append(expected)
            match = {"probability": decision.match_probability, "verdict": decision.match_verdict}
            value |= {"match": {"expected": names.split("|"), **match}}
        if probabilities:
            value |= {"probabilities": dict(zip(classes, softmax, strict=False)), "outlier_probability": softmax[-1]}
        return value

    def respond(
        self, authorization: str | None, content_type: str, body: bytes, wish: str | None = None
    ) -> Answer | None:
        if authorization != f"Bearer {self.token}":
            return WRONG_KEY
        if content_type == "application/json":
            return self.describes()
        with self._lock:
            if self._inside >= self.room:
                self.refused += 1
                return ENGINE_FULL
            self._inside += 1
            (self.pictures if wish == "always" else self.photos).append(body)
            attempt = self.photos.count(body) + self.pictures.count(body)
        time.sleep(self.seconds)
        with self._lock:
            self._inside -= 1
        return self.answer(body, attempt)

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.02)

    def shut_down(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                wish = self.headers["X-Picture"]
                answer = stub.respond(self.headers["Authorization"], self.headers["Content-Type"], body, wish)
                if answer is None:
                    self.close_connection = True
                    return
                status, value = answer
                if status == 200 and "predicted_class" in value and self.headers["X-Fingerprint"]:
                    value = {**value, "fingerprint": looks(body)}
                if status == 200 and "predicted_class" in value:
                    wants_probabilities = self.headers["X-Probabilities"] == "1"
                    value = stub.with_order(value, body, self.headers["X-Expected-Category"], wants_probabilities)
                if status == 200 and (wish == "always" or (wish == "review" and value.get("decision") == "review")):
                    picture = stub.picture(body)
                    value = value if picture is None else {**value, "picture": picture}
                content = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        return Handler


@contextmanager
def stub_service() -> Iterator[StubService]:
    """Run a stub on a free port."""
    stub = StubService()
    thread = threading.Thread(target=stub.serve)
    thread.start()
    try:
        yield stub
    finally:
        stub.shut_down()
        thread.join()
