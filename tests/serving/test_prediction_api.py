"""What clients may rely on, asked of a real TorchServe as clients ask."""

import base64
import io
import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from handler.contract import Contract
from tests.serving.conftest import LOCKSTEP, LOCKSTEP_BATCH, ServiceUnderTest
from tests.support.drawn_photos import SAMPLES, encoded, heic, striped

PHOTO = encoded(striped())


def curl(service: ServiceUnderTest, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run curl with the token; return status and parsed body."""
    command = ["curl", "-sS", "-H", f"Authorization: Bearer {service.token}", "-w", "\n%{http_code}", *arguments]
    done = subprocess.run(
        [*command, f"{service.url}/predictions/refund_classifier"], capture_output=True, text=True, check=True
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def assert_prediction(value: dict[str, object], contract: Contract) -> None:
    assert value["predicted_class"] in contract.classes
    top = value["top"]
    assert isinstance(top, list)
    assert len(top) == 3
    assert value["confidence"] == top[0]["probability"]
    assert value["decision"] in ("accept", "review")
    assert ("reason" in value) == (value["decision"] == "review")


def test_curl_with_upload(service: ServiceUnderTest, contract: Contract) -> None:
    status, value = curl(service, "-T", str(SAMPLES / "tshirt.jpg"))
    assert status == 200
    assert_prediction(value, contract)


def test_curl_with_form_file_gives_the_same_answer(service: ServiceUnderTest) -> None:
    by_upload = curl(service, "-T", str(SAMPLES / "watch.jpg"))
    by_form = curl(service, "-F", f"data=@{SAMPLES / 'watch.jpg'}")
    assert by_upload == by_form


def test_curl_with_web_form_is_told_the_remedy(service: ServiceUnderTest) -> None:
    """TorchServe decodes a form before we see it. Most photos already fail there; docs/prediction-api.md says so."""
    status, value = curl(service, "--data-binary", "photo")
    assert status == 415
    assert value["error"]["code"] == "form_encoded_body"
    status, value = curl(service, "--data-binary", f"@{SAMPLES / 'watch.jpg'}")
    assert (status, value["type"]) == (500, "ErrorDataDecoderException")


def test_curl_with_several_files(service: ServiceUnderTest, contract: Contract, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no photo")
    files = (f"one=@{SAMPLES / 'jeans.jpg'}", f"two=@{tmp_path / 'notes.jpg'}", f"three=@{SAMPLES / 'belt.jpg'}")
    status, value = curl(service, *(argument for file in files for argument in ("-F", file)))
    assert status == 200
    entries = value["predictions"]
    assert isinstance(entries, list)
    assert [entry["field"] for entry in entries] == ["one", "two", "three"]
    assert_prediction(entries[0], contract)
    assert entries[1]["error"]["code"] == "unsupported_format"
    assert_prediction(entries[2], contract)


def test_describe(service: ServiceUnderTest, contract: Contract) -> None:
    described = service.post(b'{"describe": true}', "application/json").json()
    assert described == {
        "model_version": contract.model_version,
        "contract_version": contract.contract_version,
        "classes": list(contract.classes),
        "input_size": contract.input_size,
        **contract.thresholds,
        "match_threshold_range": list(contract.match_threshold_range or ()),
        "graph": described["graph"],
        "device": "cpu",
    }


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"This is a text file.", "image/jpeg", 415, "unsupported_format"),
        (b"This is a text file.", "text/plain", 415, "unsupported_format"),
        (b'{"image": "aGVsbG8="}', "application/json", 415, "unsupported_format"),
        (b"", "image/jpeg", 400, "empty_body"),
        (PHOTO[: len(PHOTO) // 2], "image/jpeg", 400, "truncated_image"),
        (b"\x89PNG\r\n\x1a\n" + b"?" * 99, "image/png", 400, "not_an_image"),
        (encoded(striped((300, 300)).resize((300, 4))), "image/jpeg", 422, "bad_shape"),
    ],
)
def test_refusals(service: ServiceUnderTest, body: bytes, content_type: str, status: int, code: str) -> None:
    answer = service.post(body, content_type)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"


def test_the_limit_is_fifty_megabytes(service: ServiceUnderTest) -> None:
    below = PHOTO + b"\x00" * (49_900_000 - len(PHOTO))  # what follows a JPEG's end is ignored
    above = PHOTO + b"\x00" * (50_100_000 - len(PHOTO))
    assert service.post(below).status_code == 200
    answer = service.post(above)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many_bytes")


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/heic", "application/octet-stream"])
def test_the_bytes_tell_the_format_not_the_header(service: ServiceUnderTest, content_type: str) -> None:
    assert service.post(heic(striped()), content_type).status_code == 200
    assert service.post(PHOTO, content_type).status_code == 200


def test_a_bad_row_harms_no_neighbour_of_its_server_batch(service: ServiceUnderTest) -> None:
    """Four requests at once to a model that answers early only when four rows are in one batch."""
    bodies = [PHOTO, b"This is a text file.", PHOTO, PHOTO]
    assert len(bodies) == LOCKSTEP_BATCH
    answers: list[requests.Response | None] = [None] * len(bodies)

    def post(index: int) -> None:
        answers[index] = service.post(bodies[index], path=f"/predictions/{LOCKSTEP}")

    threads = [threading.Thread(target=post, args=(index,)) for index in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = [answer for answer in answers if answer is not None]
    assert max(answer.elapsed.total_seconds() for answer in got) < 15, "they were not in one batch"
    assert [answer.status_code for answer in got] == [200, 415, 200, 200]
    assert got[1].json()["error"]["code"] == "unsupported_format"
    assert got[0].json() == got[2].json() == got[3].json()


def test_explanation(service: ServiceUnderTest, contract: Contract) -> None:
    photo = (SAMPLES / "dress.jpg").read_bytes()
    explained = service.post(photo, path="/explanations/refund_classifier").json()
    assert_prediction(explained, contract)
    assert all(0 <= value <= 1 for row in explained["heatmap"] for value in row)
    picture = service.post(photo, path="/explanations/refund_classifier", Accept="image/png")
    assert picture.headers["content-type"] == "image/png"


def test_doors_are_closed_without_the_token(service: ServiceUnderTest) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = requests.post(f"{service.url}/predictions/refund_classifier", data=PHOTO, headers=headers, timeout=10)
        assert (answer.status_code, answer.json()["type"]) == (400, "InvalidKeyException")
    for method, path in (("GET", "/models"), ("POST", "/models?url=x.mar"), ("POST", "/workflows?url=http://x/y.war")):
        answer = requests.request(method, f"{service.management}{path}", timeout=10)
        assert answer.status_code == 400, (method, path)
        answer = requests.request(
            method, f"{service.management}{path}", timeout=10, headers={"Authorization": f"Bearer {service.token}"}
        )
        assert answer.status_code == 400, "the inference token must not manage"


def test_pictures_of_as_many_photos_as_a_form_takes(service: ServiceUnderTest) -> None:
    """Such a response is larger than the engine's default limit, at which it ends the worker."""
    noise = np.random.default_rng(5).integers(0, 256, (1700, 1700, 3), dtype=np.uint8)
    photo = encoded(Image.fromarray(noise), quality=80)
    workers = service.workers()
    answer = requests.post(
        f"{service.url}/predictions/refund_classifier",
        files={f"photo{number}": photo for number in range(16)},
        headers={"Authorization": f"Bearer {service.token}", "X-Picture": "always"},
        timeout=120,
    )
    assert answer.status_code == 200
    assert len(answer.content) > 7_000_000
    pictures = [entry["picture"] for entry in answer.json()["predictions"]]
    assert len(pictures) == 16
    for picture in pictures:
        with Image.open(io.BytesIO(base64.b64decode(picture["jpeg"]))) as image:
            assert image.size == (1280, 1280)
    assert service.workers() == workers


def test_the_order_decides_by_header_and_by_form_field(service: ServiceUnderTest) -> None:
    photo = f"data=@{SAMPLES / 'watch.jpg'}"
    _, right = curl(service, "-T", str(SAMPLES / "watch.jpg"), "-H", "X-Expected-Category: Watches, Belts")
    _, wrong = curl(service, "-F", photo, "-F", "expected_category=Dresses", "-H", "X-Probabilities: 1")
    assert (right["decision"], right["match"]["verdict"]) == ("accept", "match")
    assert right["match"]["expected"] == ["Watches", "Belts"]
    assert (wrong["decision"], wrong["reason"]) == ("review", "mismatch")
    assert wrong["match"]["probability"] == wrong["probabilities"]["Dresses"]
    status, refused = curl(service, "-F", photo, "-F", "expected_category=Wristwatch")
    assert (status, refused["error"]["code"]) == (422, "unknown_category")
    assert "Watches" in refused["error"]["message"]
