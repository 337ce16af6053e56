"""The seed's API: a client of the seed's service works unchanged."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from typing import Any

import pytest
import requests

from tests.support.running_desk import RunningDesk, classify
from tests.support.stub_service import ENGINE_FULL, NOT_A_PHOTO, WORKER_DIED


def post(desk: RunningDesk, content: bytes = b"a photo", **headers: str) -> requests.Response:
    files = {"file": ("image.jpg", content, "image/jpeg")}
    return requests.post(f"{desk.url}/predict/", files=files, headers=headers, timeout=30)


def test_the_seeds_client_finds_what_it_reads(desk: RunningDesk) -> None:
    assert requests.get(f"{desk.url}/", timeout=30).status_code == 200
    answer = post(desk)
    assert answer.status_code == 200
    value = answer.json()
    assert (value["predicted_class"], value["confidence"]) == ("Socks", 0.91)
    assert (value["decision"], value["reason"], value["model_version"]) == ("review", "low_confidence", "1.0.0")
    assert [entry["class"] for entry in value["top"]] == ["Socks", "Tops", "Belts"]
    assert "heatmap" not in value
    assert desk.stub.photos == [b"a photo"]


def test_root_is_health_for_programs_and_the_desk_for_people(desk: RunningDesk) -> None:
    health = requests.get(f"{desk.url}/", timeout=30).json()
    assert (health["service"], health["model_version"]) == ("ready", "1.0.0")
    page = requests.get(f"{desk.url}/", headers={"Accept": "text/html"}, allow_redirects=False, timeout=30)
    assert page.status_code == 200
    assert "<h1>This morning</h1>" in page.text


def test_what_is_no_photo_is_answered_with_400(desk: RunningDesk) -> None:
    desk.stub.answer = lambda body, attempt: NOT_A_PHOTO
    answer = post(desk)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported_format"


def test_a_request_without_a_file_says_so(desk: RunningDesk) -> None:
    answer = requests.post(f"{desk.url}/predict/", timeout=30)
    assert answer.status_code == 422
    assert "file" in answer.json()["error"]["message"]


@pytest.mark.parametrize("fault", [ENGINE_FULL, WORKER_DIED, None])
def test_a_service_in_trouble_is_503_with_a_time_to_try_again(desk: RunningDesk, fault: tuple[int, object]) -> None:
    desk.stub.answer = lambda body, attempt: fault
    answer = post(desk)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_away")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_new_token_is_read_when_the_old_one_is_refused(desk: RunningDesk) -> None:
    assert post(desk).status_code == 200
    desk.stub.token = "new"
    refused = post(desk)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "service_away")
    assert "TORCHSERVE_TOKEN_FILE" in refused.json()["error"]["message"]
    desk.settings.torchserve_token_file.write_text("new\n")
    assert post(desk).status_code == 200


def test_a_token_can_be_demanded(start_desk: Callable[..., RunningDesk]) -> None:
    desk = start_desk(web_predict_token="sesame")
    assert post(desk).status_code == 401
    assert post(desk, Authorization="Bearer wrong").json()["error"]["code"] == "token_required"
    assert post(desk, Authorization="Bearer sesame").status_code == 200


def test_programs_need_no_session_on_a_desk_that_only_this_machine_reaches(desk: RunningDesk) -> None:
    assert post(desk).status_code == 200
    for header in ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via"):
        files = {"file": ("image.jpg", b"a photo", "image/jpeg")}
        answer = requests.post(f"{desk.url}/predict/", files=files, headers={header: "127.0.0.1"}, timeout=30)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_required"), header


def test_a_desk_with_accounts_is_closed_to_strangers(start_desk: Callable[..., RunningDesk]) -> None:
    desk = start_desk(web_predict_token="sesame")
    desk.add_account("ada", "viewer")
    assert post(desk).status_code == 401
    assert post(desk, Authorization="Bearer sesame").status_code == 200
    files = {"file": ("image.jpg", b"a photo", "image/jpeg")}
    assert desk.session("ada").post(f"{desk.url}/predict/", files=files, timeout=30).status_code == 200
    closed = start_desk()
    closed.add_account("ada")
    assert post(closed).json()["error"]["code"] == "token_required"
    assert closed.stub.photos == []


def test_a_desk_that_other_machines_reach_is_closed_to_strangers(start_desk: Callable[..., RunningDesk]) -> None:
    """The test serves it on loopback; the setting says what a deployment would."""
    assert post(start_desk(web_host="0.0.0.0")).status_code == 401
    assert post(start_desk(web_proxy_header="X-Forwarded-User")).status_code == 401


def test_programs_keep_nobody_from_the_desk(desk: RunningDesk) -> None:
    """More uploads than there are threads, while the service does not answer."""
    desk.add_night(2)
    may_answer = threading.Event()

    def answer_later(body: bytes, attempt: int) -> tuple[int, Any]:
        assert may_answer.wait(60)
        return classify(body, attempt)

    desk.stub.answer = answer_later
    with ThreadPoolExecutor(45) as pool:
        uploads = [pool.submit(post, desk) for _ in range(45)]
        try:
            refused = [upload.result() for upload in islice(as_completed(uploads, 60), 33)]
            assert {(answer.status_code, answer.json()["error"]["code"]) for answer in refused} == {(503, "busy")}
            for path in ("/runs", "/search"):
                page = requests.get(desk.url + path, headers={"Accept": "text/html"}, timeout=5)
                assert page.status_code == 200
            assert len(desk.stub.photos) == 12
        finally:
            may_answer.set()
    assert [upload.result().status_code for upload in uploads].count(200) == 12
    desk.stub.answer = classify
    assert post(desk).status_code == 200  # their room is free again
