"""The seed's API: a client of the seed's service works unchanged."""

from collections.abc import Callable

import pytest
import requests

from tests.browser.conftest import RunningDesk
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
    assert (page.status_code, page.headers["Location"]) == (303, "/review")


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


def test_no_session_and_no_csrf_token_are_needed(start_desk: Callable[..., RunningDesk]) -> None:
    """Also where people have to log in: the seed's clients are programs."""
    desk = start_desk()
    desk.add_account("ada")
    assert post(desk).status_code == 200
