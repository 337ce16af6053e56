"""Bodies that are too large are refused while they are read, whoever sends them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse

import pytest
import requests

from tests.support.running_desk import RunningDesk

_SECONDS = 20  # until a desk that waits for the rest of a body has failed
FORM = "application/x-www-form-urlencoded"
FILE = "multipart/form-data; boundary=b"
FILE_HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'


@contextmanager
def begun(desk: RunningDesk, path: str, **headers: str) -> Iterator[HTTPConnection]:
    """Send a request's head."""
    connection = HTTPConnection(desk.url.removeprefix("http://"), timeout=_SECONDS)
    try:
        connection.putrequest("POST", path)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        yield connection
    finally:
        connection.close()


def send_chunk(connection: HTTPConnection, chunk: bytes) -> None:
    connection.send(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")


def refusal(answer: HTTPResponse) -> tuple[int, str, str]:
    error = json.loads(answer.read())["error"]
    return answer.status, error["code"], error["message"]


@pytest.fixture
def guarded(desk: RunningDesk) -> RunningDesk:
    desk.add_account("ada")
    return desk


def cookie(desk: RunningDesk) -> str:
    """Return the cookie of a session: of strangers no photo is read at all."""
    return f"refund_desk={desk.session('ada').cookies['refund_desk']}"


PATHS = [
    ("/desk/claim", "application/json", 200_000, "The request is larger than 200 kB."),
    ("/login", FORM, 200_000, "The request is larger than 200 kB."),
    ("/predict/", FILE, 51_000_000, "The photo is larger than 50 MB. Send a smaller JPEG."),
    ("/upload/classify", FILE, 51_000_000, "The photo is larger than 50 MB. Send a smaller JPEG."),
]


@pytest.mark.parametrize(("path", "kind", "most", "message"), PATHS)
def test_a_body_that_says_it_is_too_large_is_not_read(
    guarded: RunningDesk, path: str, kind: str, most: int, message: str
) -> None:
    with begun(guarded, path, Cookie=cookie(guarded), Content_Type=kind, Content_Length=str(most + 1)) as connection:
        answer = connection.getresponse()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert refusal(answer) == (413, "too_many_bytes", message)


@pytest.mark.parametrize(("path", "kind", "most", "message"), PATHS)
def test_a_body_without_a_size_is_counted(guarded: RunningDesk, path: str, kind: str, most: int, message: str) -> None:
    with begun(guarded, path, Cookie=cookie(guarded), Content_Type=kind, Transfer_Encoding="chunked") as connection:
        sent = FILE_HEAD if kind == FILE else b""
        if sent:
            send_chunk(connection, sent)
        send_chunk(connection, b"a" * (most - len(sent)))
        send_chunk(connection, b"a")  # one too many, and no end of the body
        assert refusal(connection.getresponse()) == (413, "too_many_bytes", message)


@pytest.mark.parametrize(("path", "code"), [("/predict/", "token_required"), ("/upload/classify", "login_required")])
def test_of_a_stranger_no_photo_is_read(guarded: RunningDesk, path: str, code: str) -> None:
    with begun(guarded, path, Content_Type=FILE, Content_Length="49000000") as connection:
        assert refusal(connection.getresponse())[:2] == (401, code)


def test_a_person_gets_a_page(guarded: RunningDesk) -> None:
    with begun(guarded, "/login", Accept="text/html", Content_Type=FORM, Content_Length="200001") as connection:
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (413, "text/html; charset=utf-8")
        assert "The request is larger than 200 kB." in answer.read().decode()


def test_what_is_just_small_enough_is_read(desk: RunningDesk) -> None:
    session = desk.session()
    body = json.dumps({"desk": "tab-00000001", "count": 0}).encode().ljust(200_000)
    headers = {"Content-Type": "application/json", "X-CSRF-Token": session.token}
    assert session.post(f"{desk.url}/desk/claim", data=body, headers=headers, timeout=30).status_code == 200


@pytest.mark.parametrize(("size", "status"), [(50_000_000, 200), (50_000_001, 413)])
def test_a_photo_may_have_fifty_megabytes_without_its_form(desk: RunningDesk, size: int, status: int) -> None:
    files = {"file": ("image.jpg", bytes(size), "image/jpeg")}
    answer = requests.post(f"{desk.url}/predict/", files=files, timeout=60)
    assert answer.status_code == status
    if status == 413:
        assert answer.json()["error"]["code"] == "too_many_bytes"
