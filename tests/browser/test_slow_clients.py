"""Whoever is slow, or does nothing at all, keeps nobody else waiting."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.support.running_desk import RunningDesk
from web.http.server import BoundedProtocol

_WAIT = 30  # seconds until a desk that does not end a connection has failed


class Impatient(BoundedProtocol):
    """The desk's connection with bounds that a test can wait for."""

    HEAD_SECONDS = 0.5
    BODY_SECONDS = 1.0
    STALL_SECONDS = 3.0
    MOST_CONNECTIONS = 40


@pytest.fixture
def impatient(start_desk: Callable[..., RunningDesk]) -> RunningDesk:
    return start_desk(protocol=Impatient)


@contextlib.contextmanager
def connected(desk: RunningDesk, count: int = 1) -> Iterator[list[socket.socket]]:
    host, port = desk.url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection((host, int(port)), _WAIT)) for _ in range(count)]


def is_ended(connection: socket.socket) -> bool:
    """Read until the desk closes the connection; false if it does not."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def test_a_real_desk_waits_ten_seconds_for_a_request() -> None:
    assert BoundedProtocol.HEAD_SECONDS == 10


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_a_connection_without_a_whole_request_ends(impatient: RunningDesk, sent: bytes) -> None:
    with connected(impatient) as (connection,):
        connection.sendall(sent)
        assert is_ended(connection)


def test_a_second_request_that_stays_incomplete_ends_the_connection(impatient: RunningDesk) -> None:
    with connected(impatient) as (connection,):
        connection.sendall(b"GET /static/page.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /")
        assert is_ended(connection)


def test_a_body_that_never_ends_ends_the_connection(impatient: RunningDesk) -> None:
    with connected(impatient) as (connection,):
        connection.sendall(b"POST /desk/claim HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n")
        started = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < started + _WAIT:
                connection.sendall(b" ")
                time.sleep(0.3)
        assert time.monotonic() < started + _WAIT


def test_many_idle_connections_keep_nobody_out(start_desk: Callable[..., RunningDesk]) -> None:
    class Crowded(Impatient):
        HEAD_SECONDS = 600.0

    desk = start_desk(protocol=Crowded)
    with connected(desk, 100) as connections:
        assert requests.get(f"{desk.url}/static/page.js", timeout=5).status_code == 200
        assert sum(is_ended(connection) for connection in connections[:50]) == 50  # the oldest made room


def test_downloads_that_stall_hold_no_database_connection_and_end(
    impatient: RunningDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than the pool of connections has, each far from its end."""
    monkeypatch.setattr("web.routes.search._ROWS_AT_ONCE", 2)
    impatient.add_night(60)
    database = impatient.database
    with database.writing() as writing:  # rows long enough to fill every buffer on the way
        writing.exec_driver_sql("UPDATE photos SET source = replace(hex(zeroblob(200000)), '0', 'x')")
    database.close()
    with contextlib.ExitStack() as stack:
        stalled = []
        for _ in range(20):
            (connection,) = stack.enter_context(connected(impatient))
            connection.sendall(b"GET /search.csv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
            stalled.append(connection)
        for path in ("/runs", "/review", "/search"):
            assert requests.get(impatient.url + path, headers={"Accept": "text/html"}, timeout=10).status_code == 200
        time.sleep(Impatient.STALL_SECONDS + 1)
        assert all(is_ended(connection) for connection in stalled)


def test_a_service_that_does_not_answer_keeps_no_page_waiting(desk: RunningDesk) -> None:
    may_answer = threading.Event()
    described = desk.stub.describes

    def describe_later() -> tuple[int, object]:
        may_answer.wait(60)
        return described()

    desk.stub.describes = describe_later
    try:
        for path in ("/review", "/search"):
            page = requests.get(desk.url + path, headers={"Accept": "text/html"}, timeout=10)
            assert page.status_code == 200, path
    finally:
        may_answer.set()
