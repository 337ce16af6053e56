"""What the responses of the service mean."""

import base64
import json

import pytest

from service_client.responses import (
    FaultKind,
    Fingerprint,
    PhotoRejected,
    Picture,
    Prediction,
    ServedModel,
    ServiceFault,
    read_description,
    read_prediction,
)
from tests.support.stub_service import WRONG_KEY, prediction


def read(status: int, value: object) -> Prediction | PhotoRejected | ServiceFault:
    return read_prediction(status, json.dumps(value).encode())


class TestPredictions:
    @pytest.mark.parametrize("status", [400, 413, 415, 422])
    def test_our_error_shape_blames_the_photo(self, status: int) -> None:
        assert read(status, {"error": {"code": "bad", "message": "why"}}) == PhotoRejected("bad", "why", status)

    def test_the_engines_413_has_no_body(self) -> None:
        answer = read_prediction(413, b"")
        assert isinstance(answer, PhotoRejected)
        assert answer.code == "too_many_bytes"

    def test_a_prediction_without_a_field_is_none(self) -> None:
        status, value = prediction()
        assert isinstance(read(status, value), Prediction)
        del value["confidence"]
        assert isinstance(read(status, value), ServiceFault)

    def test_the_answer_is_kept_as_it_came(self) -> None:
        status, value = prediction()
        answer = read(status, value | {"heatmap": [[0.5]]})
        assert isinstance(answer, Prediction)
        assert answer.answer == value | {"heatmap": [[0.5]]}

    def test_fingerprint_and_picture_are_decoded(self) -> None:
        miniature, thumbnail = bytes(range(192)), b"\xff\xd8 small"
        looks = {"dhash": "f" * 16, "miniature": base64.b64encode(miniature).decode()}
        picture = {"thumbnail": base64.b64encode(thumbnail).decode(), "orientation": 6}
        answer = read(200, prediction()[1] | {"fingerprint": looks, "picture": picture})
        assert isinstance(answer, Prediction)
        assert answer.fingerprint == Fingerprint(2**64 - 1, miniature)
        assert answer.picture == Picture(thumbnail, None, 6)

    @pytest.mark.parametrize(
        "picture",
        [
            {"thumbnail": "AAAA"},
            {"thumbnail": "no base64", "orientation": 1},
            {"thumbnail": "AAAA", "orientation": 9},
            "AAAA",
        ],
    )
    def test_a_broken_picture_is_no_answer(self, picture: object) -> None:
        assert isinstance(read(200, prediction()[1] | {"picture": picture}), ServiceFault)


class TestFaults:
    def test_a_wrong_token_is_no_fault_of_the_photo(self) -> None:
        answer = read(*WRONG_KEY)
        assert isinstance(answer, ServiceFault)
        assert answer.kind is FaultKind.TOKEN

    @pytest.mark.parametrize(
        ("status", "value", "kind"),
        [
            (503, {"error": {"code": "draining", "message": "later"}}, FaultKind.DRAINING),
            (503, {"error": {"code": "busy", "message": "later"}}, FaultKind.FULL),
            (429, {}, FaultKind.FULL),
            (503, {"type": "ServiceUnavailableException"}, FaultKind.FULL),
            (500, {"type": "InternalServerException"}, FaultKind.WORKER_DIED),
            (500, {"type": "InternalServerException", "message": "Worker died."}, FaultKind.WORKER_DIED),
            (503, {"type": "InternalServerException", "message": "Worker died."}, FaultKind.WORKER_DIED),
            (507, {"type": "InternalServerException", "message": "Worker died."}, FaultKind.WORKER_DIED),
            (503, {"type": "InternalServerException"}, FaultKind.BATCH_FAILED),
            (500, {"error": {"code": "internal_error", "message": ""}}, FaultKind.BATCH_FAILED),
            (507, {}, FaultKind.BATCH_FAILED),
            (404, {"type": "ModelNotFoundException"}, FaultKind.AWAY),
            (408, {}, FaultKind.AWAY),
            (502, {}, FaultKind.AWAY),
            (504, {}, FaultKind.AWAY),
        ],
    )
    def test_each_fault_has_its_kind(self, status: int, value: object, kind: FaultKind) -> None:
        answer = read(status, value)
        assert isinstance(answer, ServiceFault)
        assert answer.kind is kind

    @pytest.mark.parametrize(
        ("status", "body"), [(404, b"{}"), (405, b""), (403, b"<html>"), (400, b"{}"), (200, b"hi"), (302, b"")]
    )
    def test_a_stranger_who_answers_is_a_service_that_is_away(self, status: int, body: bytes) -> None:
        answer = read_prediction(status, body)
        assert isinstance(answer, ServiceFault)
        assert answer.kind is FaultKind.AWAY


class TestDescriptions:
    def test_a_model_describes_itself(self) -> None:
        value = {"model_version": "1.0.0", "contract_version": "1", "classes": ["Socks", "Belts"]}
        assert read_description(200, json.dumps(value).encode()) == ServedModel("1.0.0", "1", ("Socks", "Belts"))
        measured = read_description(200, json.dumps({**value, "match_threshold_range": [0.01, 0.95]}).encode())
        assert isinstance(measured, ServedModel)
        assert measured.match_threshold_range == (0.01, 0.95)

    @pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"model_version": "1", "contract_version": "1"}'])
    def test_anything_else_is_a_service_that_is_away(self, body: bytes) -> None:
        described = read_description(200, body)
        assert isinstance(described, ServiceFault)
        assert described.kind is FaultKind.AWAY
