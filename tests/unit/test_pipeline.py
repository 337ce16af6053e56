"""The steps of the handler's pipeline: one photo's error never touches another photo."""

import json
import math
from typing import Any

import pytest

from handler.errors import ErrorCode, PhotoError
from handler.pipeline import Inferred, Predicted, Row, events_of, infer, infer_covered, predict, respond
from handler.request import EncodedPhoto, Request
from tests.support.drawn_photos import encoded, striped
from tests.support.handler_steps import CONTRACT, LIMITS, FakeRuntime, prepared

PHOTO = encoded(striped())


def request_of(*photos: bytes | None, **options: Any) -> Request:
    names = [None] if len(photos) == 1 else [f"photo{index}" for index in range(len(photos))]
    return Request(
        **{"purpose": "predict", **options},
        photos=tuple(EncodedPhoto(name, photo) for name, photo in zip(names, photos, strict=True)),
    )


def test_a_bad_photo_keeps_its_place_and_its_error_through_all_steps() -> None:
    request, runtime = request_of(PHOTO, b"no photo", None, PHOTO[: len(PHOTO) // 2], PHOTO), FakeRuntime()
    inferred = infer(prepared(request), runtime)
    assert runtime.batches == [2], "the network runs once, over what could be decoded"
    assert [type(photo) for photo in inferred] == [Inferred, PhotoError, PhotoError, PhotoError, Inferred]
    response = respond(request, [predict(photo, CONTRACT, LIMITS, math.inf) for photo in inferred])
    entries = json.loads(response.body)["predictions"]
    assert response.status == 200
    assert [entry["field"] for entry in entries] == [f"photo{index}" for index in range(5)]
    codes = [entry.get("error", {}).get("code") for entry in entries]
    assert codes == [None, "unsupported_format", "unsupported_format", "truncated_image", None]
    assert entries[0]["predicted_class"] == entries[4]["predicted_class"]


def test_nothing_to_infer_costs_no_run_of_the_network() -> None:
    runtime = FakeRuntime()
    assert infer([], runtime) == []
    (refused,) = infer(prepared(request_of(b"")), runtime)
    assert isinstance(refused, PhotoError)
    assert runtime.batches == []


def test_only_explanations_cover_the_photo() -> None:
    runtime = FakeRuntime()
    for purpose, batches in (("predict", [1]), ("explain", [1, 25])):
        runtime.batches.clear()
        (photo,) = infer(prepared(request_of(PHOTO, purpose=purpose)), runtime)
        result = predict(infer_covered(photo, runtime), CONTRACT, LIMITS, math.inf)
        assert isinstance(result, Predicted)
        assert ("heatmap" in result.prediction) == (purpose == "explain")
        assert runtime.batches == batches


def test_one_photo_is_answered_with_its_own_status() -> None:
    response = respond(request_of(b""), [PhotoError(ErrorCode.EMPTY_BODY, "Send a photo.")])
    assert response.status == 400
    assert json.loads(response.body) == {"error": {"code": "empty_body", "message": "Send a photo."}}
    draining = respond(request_of(b""), [PhotoError(ErrorCode.DRAINING, "Later.")])
    assert (draining.status, draining.headers) == (503, (("Retry-After", "10"),))


@pytest.mark.parametrize(
    ("options", "counts"),
    [({}, True), ({"is_probe": True}, False), ({"purpose": "explain"}, False)],
    ids=["photo", "probe", "explanation"],
)
def test_metrics_count_every_error_but_no_probe_and_no_explanation(options: dict[str, Any], counts: bool) -> None:
    prediction, refused = Predicted({"predicted_class": "Socks"}), PhotoError(ErrorCode.BAD_SHAPE, "")
    row = Row(request_of(PHOTO, PHOTO, **options), [prediction, refused])
    assert events_of(row) == [prediction.prediction] * counts + [ErrorCode.BAD_SHAPE]
    assert events_of(PhotoError(ErrorCode.TOO_MANY_PHOTOS, "")) == [ErrorCode.TOO_MANY_PHOTOS]


def test_each_error_code_has_a_status_of_an_error() -> None:
    assert {code.status.value for code in ErrorCode} <= {400, 413, 415, 422, 500, 503}
