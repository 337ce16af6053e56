"""Bodies that are as large as they may be, and bodies that never end."""

import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse

from tests.serving.conftest import ServiceUnderTest
from tests.support.drawn_photos import encoded, striped

PHOTO = encoded(striped())
LARGEST = PHOTO + b"\x00" * (49_900_000 - len(PHOTO))  # what follows a JPEG's end is ignored
SLOW_CLIENTS = 50


def begin(service: ServiceUnderTest, body: bytes, sent: int) -> socket.socket:
    """Send a request up to a byte of its body."""
    host, _, port = service.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=90)
    head = (
        f"POST /predictions/refund_classifier HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {service.token}\r\n"
        f"Content-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body[:sent])
    return connection


def finish(connection: socket.socket, rest: bytes) -> int:
    """Send what is missing and return the status."""
    with connection:
        connection.sendall(rest)
        answer = HTTPResponse(connection)
        answer.begin()
        answer.read()
        return answer.status


def test_four_of_the_largest_at_once(service: ServiceUnderTest) -> None:
    """All but their last byte are there before the first is complete, so they fall into one server batch."""
    java = next(process for process in service.processes() if process.name() == "java")
    with ThreadPoolExecutor(4) as pool:
        connections = list(pool.map(lambda _: begin(service, LARGEST, len(LARGEST) - 1), range(4)))
        assert list(pool.map(lambda connection: finish(connection, LARGEST[-1:]), connections)) == [200] * 4
    assert java.is_running()
    assert service.post(PHOTO).status_code == 200


def test_slow_bodies_harm_no_other_client(service: ServiceUnderTest) -> None:
    """Far more of them than the engine has threads."""
    slow = [begin(service, PHOTO, len(PHOTO) // 2) for _ in range(SLOW_CLIENTS)]
    assert [service.post(PHOTO).status_code for _ in range(10)] == [200] * 10
    rest = PHOTO[len(PHOTO) // 2 :]
    assert [finish(connection, rest) for connection in slow] == [200] * SLOW_CLIENTS
