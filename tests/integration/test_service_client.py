"""The client of the service against real sockets: proxies, redirects, peers that drip, stall or never end."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from service_client.client import InferenceClient
from service_client.responses import FaultKind, PhotoRejected, Prediction, ServedModel, ServiceFault
from tests.support.stub_service import NOT_A_PHOTO, StubService, stub_service

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@pytest.fixture
def stub() -> Iterator[StubService]:
    with stub_service() as stub:
        yield stub


def client(url: str, folder: Path, seconds: float = 30.0) -> InferenceClient:
    token_file = folder / "token"
    token_file.write_text("right\n")
    return InferenceClient(url, token_file, connections=2, connect_seconds=3, call_seconds=seconds)


@contextmanager
def peer(behave: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Listen on a free port; ``behave`` gets each connection and an event that says when to stop."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        behave(connection, over)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_typed_answers(stub: StubService, tmp_path: Path) -> None:
    asked = client(stub.url, tmp_path)
    assert asked.describe() == ServedModel("1.0.0", "1", ("Socks", "Belts"))
    assert isinstance(asked.classify(b"a photo"), Prediction)
    stub.answer = lambda body, attempt: NOT_A_PHOTO
    assert asked.classify(b"no photo") == PhotoRejected("unsupported_format", "These bytes are no photo.", 415)
    asked.close()


def test_a_base_url_may_have_a_path(stub: StubService, tmp_path: Path) -> None:
    assert (
        client(f"{stub.url}/behind/a/proxy/", tmp_path).url
        == f"{stub.url}/behind/a/proxy/predictions/refund_classifier"
    )
    assert isinstance(client(f"{stub.url}/behind/a/proxy/", tmp_path).classify(b"a photo"), Prediction)


def test_a_new_token_is_read_when_the_old_one_is_refused(stub: StubService, tmp_path: Path) -> None:
    asked = client(stub.url, tmp_path)
    assert isinstance(asked.classify(b"a photo"), Prediction)
    stub.token = "new"
    refused = asked.classify(b"a photo")
    assert isinstance(refused, ServiceFault)
    assert refused.kind is FaultKind.TOKEN
    asked.token_file.write_text("new")
    assert isinstance(asked.classify(b"a photo"), Prediction)


def test_what_is_no_token_is_named_and_not_shown(stub: StubService, tmp_path: Path) -> None:
    asked = client(stub.url, tmp_path)
    asked.token_file.write_text("two\nlines with a secret")
    fault = asked.describe()
    assert isinstance(fault, ServiceFault)
    assert (fault.kind, "TORCHSERVE_TOKEN_FILE" in fault.message, "secret" in fault.message) == (
        FaultKind.TOKEN,
        True,
        False,
    )


class TestProxy:
    """A company's proxy in the environment must not get photos or the token."""

    @pytest.fixture
    def proxy_requests(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
        received: list[str] = []

        class Proxy(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(self.path)
                self.send_error(403)

            def do_CONNECT(self) -> None:
                received.append(self.path)
                self.send_error(403)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "")
        yield received
        server.shutdown()
        server.server_close()
        thread.join()

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_gets_nothing(self, scheme: str, proxy_requests: list[str], tmp_path: Path) -> None:
        """A host name that only a proxy could resolve: the service is away, and the proxy was not asked."""
        fault = client(f"{scheme}://torchserve.invalid:8080", tmp_path).classify(b"a photo")
        assert isinstance(fault, ServiceFault)
        assert fault.kind is FaultKind.AWAY
        assert proxy_requests == []

    def test_the_service_itself_is_reached(self, stub: StubService, proxy_requests: list[str], tmp_path: Path) -> None:
        assert isinstance(client(stub.url, tmp_path).classify(b"a photo"), Prediction)
        assert proxy_requests == []


def test_a_redirect_is_not_followed(stub: StubService, tmp_path: Path) -> None:
    def redirect(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(65536)
        head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {stub.url}/elsewhere\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(head.encode())

    with peer(redirect) as url:
        fault = client(url, tmp_path).classify(b"a photo")
    assert isinstance(fault, ServiceFault)
    assert fault.kind is FaultKind.AWAY
    assert stub.photos == []


def test_netrc_does_not_replace_the_token(stub: StubService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password wrong\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert isinstance(client(stub.url, tmp_path).classify(b"a photo"), Prediction)


class TestTimeLimit:
    """Each silence is shorter than the limit; only a limit of the whole call ends these."""

    SECONDS = 1.0

    def ends_in_time(self, url: str, folder: Path, photo: bytes = b"a photo") -> None:
        began = time.monotonic()
        fault = client(url, folder, self.SECONDS).classify(photo)
        assert fault == ServiceFault(FaultKind.AWAY, "no answer within 1 s")
        assert self.SECONDS <= time.monotonic() - began < 20 * self.SECONDS  # the peer drips until the test is over

    @pytest.mark.parametrize("begins_with", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", HEAD], ids=["status", "head", "body"])
    def test_a_response_that_drips(self, begins_with: bytes, tmp_path: Path) -> None:
        def drip(connection: socket.socket, over: threading.Event) -> None:
            connection.recv(65536)
            connection.sendall(begins_with)
            while not over.wait(0.05):
                connection.sendall(b"H" if not begins_with else b" ")

        with peer(drip) as url:
            self.ends_in_time(url, tmp_path)

    def test_a_peer_that_reads_slowly(self, tmp_path: Path) -> None:
        def sip(connection: socket.socket, over: threading.Event) -> None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            while not over.wait(0.05) and connection.recv(1024):
                pass

        with peer(sip) as url:
            self.ends_in_time(url, tmp_path, bytes(40_000_000))

    def test_silence(self, tmp_path: Path) -> None:
        def say_nothing(_: socket.socket, over: threading.Event) -> None:
            over.wait()

        with peer(say_nothing) as url:
            self.ends_in_time(url, tmp_path)


def test_a_response_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    def flood(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            connection.sendall(bytes(1 << 20))

    with peer(flood) as url:
        assert client(url, tmp_path).classify(b"a photo") == ServiceFault(FaultKind.AWAY, "the answer does not end")


@pytest.mark.parametrize("cut", [b"", b"HTTP/1.", HEAD + b'{"half'], ids=["nothing", "half a head", "half a body"])
def test_a_connection_that_breaks(cut: bytes, tmp_path: Path) -> None:
    def hang_up(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(cut)

    with peer(hang_up) as url:
        assert client(url, tmp_path).classify(b"a photo") == ServiceFault(FaultKind.AWAY, "no connection")


def test_a_connection_serves_many_requests(tmp_path: Path) -> None:
    connections: list[int] = []

    def answer_all(connection: socket.socket, over: threading.Event) -> None:
        connections.append(connection.fileno())
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}")

    with peer(answer_all) as url:
        asked = client(url, tmp_path)
        for _ in range(3):
            assert asked.describe() == ServiceFault(FaultKind.AWAY, "HTTP 503 {}")
        asked.close()
    assert len(connections) == 1
