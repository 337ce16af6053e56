"""The handler as TorchServe's own worker code loads and drives it."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handler.contract import Contract
from handler.fingerprint import fingerprint_of
from handler.preprocess import preprocess
from tests.handler.worker import Answer, Worker
from tests.support.drawn_photos import encoded, heic, striped, turned_by_exif

JPEG_HEADERS = {"Content-Type": "image/jpeg", "explain": "False"}
FORM_HEADERS = {"Content-Type": "multipart/form-data; boundary=x", "explain": "False"}
PHOTO = encoded(striped(), quality=95)


@pytest.fixture(scope="module")
def worker(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Worker:
    return Worker(archive, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def ordering(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Worker:
    """Return a model with an order check that is certain of nothing: every category is unsure."""
    thresholds = {"match_threshold": 1.0, "mismatch_threshold": 0.0, "match_threshold_range": None}
    return Worker(archive, tmp_path_factory.mktemp("model"), **thresholds)


def raw(data: bytes) -> tuple[dict[str, bytearray], dict[str, str]]:
    return {"body": bytearray(data)}, JPEG_HEADERS


def assert_prediction(answer: Answer, contract: Contract) -> None:
    assert (answer.status, answer.content_type) == (200, "application/json")
    value = answer.json()
    assert value["predicted_class"] in contract.classes
    assert value["confidence"] == value["top"][0]["probability"]
    assert len(value["top"]) == 3
    assert ("reason" in value) == (value["decision"] == "review")
    assert value["model_version"] == contract.model_version


def test_each_row_of_a_batch_gets_its_own_status(worker: Worker, contract: Contract) -> None:
    text, cut = raw(b"this is no photo"), raw(PHOTO[: len(PHOTO) // 2])
    answers = worker.predict(raw(PHOTO), text, raw(PHOTO), cut, raw(b""), raw(PHOTO))
    assert [answer.status for answer in answers] == [200, 415, 200, 400, 400, 200]
    codes = [answer.json().get("error", {}).get("code") for answer in answers]
    assert codes == [None, "unsupported_format", None, "truncated_image", "empty_body", None]
    for index in (0, 2, 5):
        assert_prediction(answers[index], contract)
        assert answers[index].json() == answers[0].json()
    for answer in answers:
        assert answer.content_type == "application/json"
        assert answer.phrase.isascii()


def test_a_batch_of_bad_rows_only(worker: Worker) -> None:
    assert [answer.status for answer in worker.predict(raw(b""), raw(b"x" * 50))] == [400, 415]


def test_same_answer_through_every_door(worker: Worker) -> None:
    alone = worker.predict(raw(PHOTO))[0].json()
    multipart = worker.predict(({"data": PHOTO}, FORM_HEADERS))[0].json()
    several = worker.predict(({"a": PHOTO, "b": PHOTO}, FORM_HEADERS))[0].json()["predictions"]
    in_batch = worker.predict(*[raw(encoded(striped(seed=i))) for i in range(7)], raw(PHOTO))[7].json()
    for other in (multipart, *({k: v for k, v in entry.items() if k != "field"} for entry in several), in_batch):
        assert other["predicted_class"] == alone["predicted_class"]
        assert other["confidence"] == pytest.approx(alone["confidence"], abs=1e-4)
    assert [entry["field"] for entry in several] == ["a", "b"]


def test_several_files_keep_their_own_errors(worker: Worker) -> None:
    fields = {"first": PHOTO, "second": b"no photo at all", "third": heic(striped())}
    answer = worker.predict((fields, FORM_HEADERS))[0]
    assert answer.status == 200
    entries = answer.json()["predictions"]
    assert [entry["field"] for entry in entries] == ["first", "second", "third"]
    assert entries[1]["error"]["code"] == "unsupported_format"
    assert "predicted_class" in entries[0]
    assert "predicted_class" in entries[2]


def test_a_fingerprint_is_told_to_those_who_ask(worker: Worker) -> None:
    asked = {**JPEG_HEADERS, "x-fingerprint": "1"}
    fields = {"a": PHOTO, "b": b"no photo", "c": encoded(Image.new("RGB", (99, 99)))}
    rows = [({"body": PHOTO}, headers) for headers in (JPEG_HEADERS, asked, {**asked, "explain": "True"})]
    answers = worker.predict(*rows, (fields, {**FORM_HEADERS, "X-Fingerprint": "1"}))
    plain, alone, explained, several = (answer.json() for answer in answers)
    assert "fingerprint" not in plain
    with Image.open(io.BytesIO(PHOTO)) as picture:
        expected = fingerprint_of(picture.convert("RGB"))
    assert alone == {**plain, "fingerprint": expected}
    assert explained["fingerprint"] == expected
    entries = several["predictions"]
    assert (entries[0]["fingerprint"], entries[2]["fingerprint"]) == (expected, None)
    assert set(entries[1]) == {"field", "error"}


def test_a_picture_comes_to_those_who_ask(worker: Worker) -> None:
    asked = {**JPEG_HEADERS, "X-Picture": "always"}
    small, large = turned_by_exif(striped()), heic(striped((1500, 2000)))
    plain = worker.predict(raw(small))[0].json()
    rows = [({"body": photo}, asked) for photo in (small, large)]
    answers = worker.predict(*rows, ({"a": large, "b": b"no photo"}, {**FORM_HEADERS, "X-Picture": "always"}))
    copied, drawn, several = (answer.json() for answer in answers)
    picture = copied.pop("picture")
    assert copied == plain
    assert (set(picture), picture["orientation"]) == ({"thumbnail", "orientation"}, 6)
    assert size_of(picture["thumbnail"]) == (120, 160)
    assert size_of(drawn["picture"]["jpeg"]) == (960, 1280)
    assert size_of(drawn["picture"]["thumbnail"]) == (192, 256)
    entries = several["predictions"]
    assert entries[0]["picture"] == drawn["picture"]
    assert set(entries[1]) == {"field", "error"}


def test_all_probabilities_come_to_those_who_ask(worker: Worker, contract: Contract) -> None:
    plain, asked = worker.predict(raw(PHOTO), ({"body": PHOTO}, {**JPEG_HEADERS, "X-Probabilities": "1"}))
    value = asked.json()
    probabilities, outlier = value.pop("probabilities"), value.pop("outlier_probability")
    assert value == plain.json()
    assert list(probabilities) == list(contract.classes)
    assert sum(probabilities.values()) + outlier == pytest.approx(1, abs=1e-4)
    best = max(probabilities, key=probabilities.__getitem__)
    assert best == value["predicted_class"]
    assert probabilities[best] == pytest.approx(value["confidence"] * (1 - outlier), abs=1e-5)


def test_the_order_decides(ordering: Worker) -> None:
    order = {"X-Expected-Category": "Socks, Belts"}
    form = {"a": PHOTO, "expected_category": b"Socks", "b": b"no photo"}
    asked = {**JPEG_HEADERS, **order, "X-Probabilities": "1"}
    plain, checked, several, unknown = ordering.predict(
        raw(PHOTO),
        ({"body": PHOTO}, asked),
        (form, FORM_HEADERS),
        ({"body": PHOTO}, {**JPEG_HEADERS, "x-expected-category": "Sock"}),
    )
    assert "match" not in plain.json()
    value = checked.json()
    probability = value["probabilities"]["Socks"] + value["probabilities"]["Belts"]
    assert value["match"]["expected"] == ["Socks", "Belts"]
    assert value["match"]["probability"] == pytest.approx(probability, abs=2e-6)
    assert (value["match"]["verdict"], value["decision"], value["reason"]) == ("unsure", "review", "unsure_match")
    entries = several.json()["predictions"]
    assert [entry["field"] for entry in entries] == ["a", "b"]
    assert entries[0]["match"]["expected"] == ["Socks"]
    assert (unknown.status, unknown.json()["error"]["code"]) == (422, "unknown_category")


def test_describe_tells_the_thresholds_of_the_order_check(ordering: Worker) -> None:
    described = ordering.predict(({"body": {"describe": True}}, {"Content-Type": "application/json"}))[0].json()
    assert (described["match_threshold"], described["mismatch_threshold"]) == (1.0, 0.0)


def test_an_archive_from_before_the_order_check(archive: Path, tmp_path: Path) -> None:
    worker = Worker(archive, tmp_path, match_threshold=None, mismatch_threshold=None, match_threshold_range=None)
    plain, ordered = worker.predict(raw(PHOTO), ({"body": PHOTO}, {**JPEG_HEADERS, "X-Expected-Category": "Socks"}))
    assert plain.status == 200
    assert (ordered.status, ordered.json()["error"]["code"]) == (422, "no_order_check")
    described = worker.predict(({"body": {"describe": True}}, {"Content-Type": "application/json"}))[0].json()
    assert "match_threshold" not in described


def size_of(picture: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        return image.size


def test_exif_orientation_changes_nothing(worker: Worker) -> None:
    upright, turned = worker.predict(raw(PHOTO), raw(turned_by_exif(striped())))
    top = {entry["class"]: entry["probability"] for entry in upright.json()["top"]}
    for entry in turned.json()["top"]:
        assert entry["probability"] == pytest.approx(top.get(entry["class"], -1), abs=0.05)


def test_describe(worker: Worker, contract: Contract) -> None:
    answer = worker.predict(({"body": {"describe": True}}, {"Content-Type": "application/json"}))[0]
    described = answer.json()
    assert described["classes"] == list(contract.classes)
    assert described["model_version"] == contract.model_version
    assert described["input_size"] == contract.input_size
    assert {name: described[name] for name in contract.thresholds} == contract.thresholds
    assert described["graph"].startswith("openvino")
    assert described["device"] == "cpu"


def test_explanations_and_predictions_share_a_batch(worker: Worker, contract: Contract) -> None:
    explain = {"Content-Type": "image/jpeg", "explain": "True"}
    picture = {**explain, "Accept": "image/png"}
    body = {"body": PHOTO}
    prediction, explanation, overlay = worker.predict(raw(PHOTO), (body, explain), (body, picture))
    assert_prediction(prediction, contract)
    assert "heatmap" not in prediction.json()
    heatmap = np.array(explanation.json()["heatmap"])
    assert explanation.json()["predicted_class"] == prediction.json()["predicted_class"]
    assert heatmap.shape == (4, 4)
    assert heatmap.min() >= 0
    assert heatmap.max() == 1
    assert (overlay.status, overlay.content_type) == (200, "image/png")
    assert overlay.body.startswith(b"\x89PNG")


def test_web_form_gets_its_remedy(worker: Worker) -> None:
    answer = worker.predict(({"\ufffd\ufffd": ""}, {"Content-Type": "application/x-www-form-urlencoded"}))[0]
    assert (answer.status, answer.json()["error"]["code"]) == (415, "form_encoded_body")
    assert "-T" in answer.json()["error"]["message"]


def test_a_fault_of_ours_stays_with_its_row(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug that one photo triggers is answered as 500, without its traceback, and harms no neighbour."""
    import handler.pipeline

    def fail_on_red(image: Image.Image, input_size: int) -> object:
        if image.size == (100, 100):
            raise RuntimeError("secret path /srv/model")
        return original(image, input_size)

    original = preprocess
    monkeypatch.setattr(handler.pipeline, "preprocess", fail_on_red)
    good, bad = worker.predict(raw(PHOTO), raw(encoded(striped((100, 100)))))
    assert (good.status, bad.status) == (200, 500)
    assert bad.json()["error"]["code"] == "internal_error"
    assert b"secret" not in bad.body
