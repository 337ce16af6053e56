"""The desk in front of the real service: the seed's API, and the picture of where the model looked."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import ROOT
from tests.serving.conftest import ServiceUnderTest
from tests.support.documents import commands, page, section
from tests.support.drawn_photos import SAMPLES
from tests.support.running_desk import Session, served
from web.settings import WebSettings

PHOTO = (SAMPLES / "jeans.jpg").read_bytes()


@pytest.fixture
def desk(service: ServiceUnderTest, tmp_path: Path) -> Iterator[Session]:
    settings = WebSettings(
        results_db=str(tmp_path / "results.db"),
        torchserve_url=service.url,
        torchserve_token_file=service.state / "inference.key",
        media_dir=tmp_path / "media",
        web_dir=tmp_path / "web",
    )
    with served(settings) as url:
        session = Session(url)
        session.learn_token()
        yield session


def send(desk: Session, path: str, content: bytes, name: str = "photo.jpg") -> requests.Response:
    files = {"file": (name, content, "image/jpeg")}
    return desk.post(desk.url + path, files=files, headers={"X-CSRF-Token": desk.token}, timeout=60)


def test_a_photo_posted_to_the_desk_is_answered_as_by_the_service(desk: Session, service: ServiceUnderTest) -> None:
    answer = send(desk, "/predict/", PHOTO)
    assert answer.status_code == 200, answer.text
    assert answer.json() == service.post(PHOTO).json()
    assert answer.json()["predicted_class"] == "Jeans"


def test_the_curl_of_the_docs_is_answered(desk: Session) -> None:
    all_of_them = commands(section(page("prediction-api"), "The desk's API"))
    [command] = [command for command in all_of_them if "/predict/" in command]
    here = command.replace("http://127.0.0.1:8000", desk.url)
    done = subprocess.run(["bash", "-c", here], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["predicted_class"] == "Socks"


def test_the_upload_page_gets_the_prediction_and_where_the_model_looked(
    desk: Session, service: ServiceUnderTest
) -> None:
    answer = send(desk, "/upload/classify", PHOTO)
    assert answer.status_code == 200, answer.text
    value = answer.json()
    rows = value.pop("heatmap")
    assert len(rows) > 1
    assert {len(row) for row in rows} == {len(rows[0])}
    values = [number for row in rows for number in row]
    assert min(values) >= 0
    assert max(values) == pytest.approx(1, abs=0.01)
    assert len(set(values)) > 1
    assert value.pop("milliseconds") > 0
    asked = service.post(PHOTO)
    assert {name: value[name] for name in asked.json()} == asked.json()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"no photo at all", "unsupported_format"),
        (PHOTO[: len(PHOTO) // 2], "truncated_image"),
        (b"", "empty_body"),
    ],
)
def test_what_is_no_photo_is_400_as_the_seed_says(desk: Session, content: bytes, code: str) -> None:
    answer = send(desk, "/predict/", content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_health_and_categories_are_the_models(desk: Session, service: ServiceUnderTest) -> None:
    described = service.post(b'{"describe": true}', "application/json").json()
    health = requests.get(f"{desk.url}/", timeout=30).json()
    assert (health["service"], health["model_version"]) == ("ready", described["model_version"])
    page = desk.page("/review").text
    assert len(described["classes"]) == 27
    assert f"search {len(described['classes'])} categories" in page
