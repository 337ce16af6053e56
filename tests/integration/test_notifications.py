"""Webhook and ping, whatever the other side does."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from batch_client.reports.notifications import send_notices

REPORT = {"exit_code": 0}


@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("batch_client"), "propagate", True)
    return caplog


@pytest.fixture
def receiver() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Start servers that answer each connection by a function of the test; it ends with the connection."""
    listeners: list[socket.socket] = []

    def serve(listener: socket.socket, answer: Callable[[socket.socket], None]) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=talk, args=(connection, answer), daemon=True).start()

    def talk(connection: socket.socket, answer: Callable[[socket.socket], None]) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            answer(connection)

    def start(answer: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, answer), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/secret"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def ok(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_a_head_that_drips_holds_nothing_up(
    receiver: Callable[[Callable[[socket.socket], None]], str], messages: pytest.LogCaptureFixture
) -> None:
    over = threading.Event()
    pinged = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not over.wait(0.05):
            connection.sendall(b"x")

    def ping(connection: socket.socket) -> None:
        ok(connection)
        pinged.set()

    url = receiver(drip)
    began = time.monotonic()
    send_notices(REPORT, url, receiver(ping), seconds=1.0)
    assert time.monotonic() - began < 20  # the webhook drips until `over`
    assert pinged.wait(5), "the ping does not wait for the webhook"
    assert "the webhook was not delivered: no answer within 1 s" in messages.text
    send_notices(REPORT, url, None, seconds=1.0)  # the next run
    assert "an earlier one is not answered yet" in messages.text
    assert "secret" not in messages.text
    over.set()


@pytest.mark.parametrize("head", [b"", b"Content-Length: 1000000000000\r\n"])
def test_a_body_without_end_is_not_read(
    receiver: Callable[[Callable[[socket.socket], None]], str], messages: pytest.LogCaptureFixture, head: bytes
) -> None:
    sent = 0
    closed = threading.Event()

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
            while True:
                sent += connection.send(b"x" * 65_536)
        finally:
            closed.set()

    send_notices(REPORT, None, receiver(flood))
    assert closed.wait(10), "the connection is closed unread"
    assert sent < 32 << 20, "what the buffers of the two sockets take, and no more"
    assert "not delivered" not in messages.text


def test_a_refusal_is_told(
    receiver: Callable[[Callable[[socket.socket], None]], str], messages: pytest.LogCaptureFixture
) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    send_notices(REPORT, receiver(refuse), None)
    assert "the webhook was not delivered: the receiver answered 500" in messages.text
