"""Request, preprocess, postprocess, response, explanation, settings and contract: the steps around the network."""

import io
import json
import math
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from handler import contract as contracts
from handler import settings
from handler.contract import Contract
from handler.errors import PhotoError
from handler.explain import covered, explanation, heatmap_of, overlay, reduced
from handler.postprocess import all_probabilities, output_probabilities, postprocess
from handler.preprocess import preprocess
from handler.request import parse
from handler.response import json_response
from tests.conftest import ROOT
from tests.support.drawn_photos import pixel, striped

SMALL = Contract("1.2.3", "1", ("Socks", "Belts", "Bra"), 64, (0.5,) * 3, (0.5,) * 3, 2.0, 0.6, 0.5)


class TestPreprocess:
    def test_shape_dtype_and_colour_order(self) -> None:
        pixels = preprocess(striped((300, 400)), 64)
        assert pixels.shape == (64, 64, 3)
        assert pixels.dtype == np.uint8
        assert np.abs(pixels[10, 10].astype(int) - (200, 30, 30)).max() < 12

    def test_large_photos_are_averaged_not_sampled(self) -> None:
        stripes = np.zeros((1200, 1200, 3), dtype=np.uint8)
        stripes[:, ::2] = 255
        pixels = preprocess(Image.fromarray(stripes), 64)
        assert np.abs(pixels.astype(int) - 127).max() < 6


class TestPostprocess:
    def test_probabilities_are_calibrated_and_ordered(self) -> None:
        answer = postprocess(np.array([[4.0, 2.0, 0.0, -9.0]], dtype=np.float32), SMALL)[0]
        expected = [math.exp(x / 2) for x in (4, 2, 0)]
        assert answer["predicted_class"] == "Socks"
        assert [entry["class"] for entry in answer["top"]] == ["Socks", "Belts", "Bra"]
        assert answer["confidence"] == answer["top"][0]["probability"]
        assert [entry["probability"] for entry in answer["top"]] == pytest.approx(
            [e / sum(expected) for e in expected], abs=1e-6
        )
        assert answer["decision"] == "accept"
        assert "reason" not in answer
        assert (answer["model_version"], answer["contract_version"]) == ("1.2.3", "1")

    @pytest.mark.parametrize(
        ("logits", "reason"),
        [((1.0, 0.9, 0.8, -9.0), "low_confidence"), ((4.0, 0.0, 0.0, 9.0), "unknown_item")],
    )
    def test_reasons_to_review(self, logits: tuple[float, ...], reason: str) -> None:
        answer = postprocess(np.array([logits], dtype=np.float32), SMALL)[0]
        assert (answer["decision"], answer["reason"]) == ("review", reason)
        assert answer["predicted_class"] == "Socks"  # always one of the classes, also for an unknown item

    def test_huge_logits_stay_finite(self) -> None:
        answer = postprocess(np.array([[1e4, -1e4, 0, 0]], dtype=np.float32), SMALL)[0]
        assert answer["confidence"] == 1.0
        assert json_response(answer).status == 200

    def test_all_probabilities_count_the_outlier(self) -> None:
        logits = np.array([[4.0, 2.0, 0.0, 3.0]], dtype=np.float32)
        weights = [math.exp(x / 2) for x in (4, 2, 0, 3)]
        fields = all_probabilities(output_probabilities(logits, SMALL)[0], SMALL)
        assert list(fields["probabilities"]) == ["Socks", "Belts", "Bra"]
        assert [*fields["probabilities"].values(), fields["outlier_probability"]] == pytest.approx(
            [weight / sum(weights) for weight in weights], abs=1e-6
        )
        confidence = postprocess(logits, SMALL)[0]["confidence"]
        assert fields["probabilities"]["Socks"] == pytest.approx(
            confidence * (1 - fields["outlier_probability"]), abs=1e-6
        )


class TestRequest:
    def test_raw_body(self) -> None:
        request = parse({"body": bytearray(b"photo")}, {"content-type": "image/jpeg", "explain": "False"}, 16)
        assert (request.purpose, request.photos[0].field, request.photos[0].data) == ("predict", None, b"photo")

    def test_multipart_keeps_order_and_fields(self) -> None:
        headers = {"b": {"content-type": "image/jpeg"}, "Content-Type": "multipart/form-data; boundary=x"}
        request = parse({"b": b"1", "a": b"2"}, headers, 16)
        assert [(photo.field, photo.data) for photo in request.photos] == [("b", b"1"), ("a", b"2")]

    def test_describe(self) -> None:
        assert parse({"body": {"describe": True}}, {"Content-Type": "application/json"}, 16).purpose == "describe"

    def test_explanation_and_picture(self) -> None:
        request = parse({"body": b"x"}, {"EXPLAIN": "True", "ACCEPT": "image/png"}, 16)
        assert request.purpose == "explain"
        assert request.wants_overlay

    @pytest.mark.parametrize(
        ("value", "names"),
        [
            ("Heels", ("Heels",)),
            (" Sports Shoes ,Casual Shoes,", ("Sports Shoes", "Casual Shoes")),
            ("Heels, Flats, Heels", ("Heels", "Flats")),
            ("", ()),
            (" , ", ()),
        ],
    )
    def test_the_ordered_categories(self, value: str, names: tuple[str, ...]) -> None:
        assert parse({"body": b"x"}, {"X-Expected-Category": value}, 16).expected == names
        form = {"Content-Type": "multipart/form-data; boundary=x", "x-expected-category": "Bra"}
        request = parse({"data": b"x", "expected_category": value.encode()}, form, 16)
        assert request.expected == names, "the field goes before the header"
        assert [photo.field for photo in request.photos] == ["data"]

    def test_the_field_of_the_order_is_no_photo(self) -> None:
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        photos = {str(number): b"x" for number in range(16)}
        assert len(parse({**photos, "expected_category": "Socks"}, form, 16).photos) == 16
        with pytest.raises(PhotoError) as caught:
            parse({"expected_category": b"Socks"}, form, 16)
        assert caught.value.code == "empty_body"
        with pytest.raises(PhotoError) as caught:
            parse({"a": b"x", "expected_category": b"\xff\xd8\xff\xe0"}, form, 16)
        assert (caught.value.status, caught.value.code) == (422, "unknown_category")

    @pytest.mark.parametrize("value", [b"a," * 2_000_000, {"names": "Socks"}, 5])
    def test_an_order_that_is_no_list_of_names(self, value: object) -> None:
        """A file of 50 MB fits into a form's field, and JSON comes as an object."""
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        with pytest.raises(PhotoError) as caught:
            parse({"a": b"x", "expected_category": value}, form, 16)
        assert (caught.value.status, caught.value.code) == (422, "unknown_category")

    @pytest.mark.parametrize(
        ("row", "content_type", "status", "code"),
        [
            ({"\ufffd\ufffd": ""}, "application/x-www-form-urlencoded", 415, "form_encoded_body"),
            ({str(i): b"x" for i in range(17)}, "multipart/form-data", 413, "too_many_photos"),
            ({}, "multipart/form-data", 400, "empty_body"),
        ],
    )
    def test_refusals(self, row: dict[str, Any], content_type: str, status: int, code: str) -> None:
        with pytest.raises(PhotoError) as caught:
            parse(row, {"Content-Type": content_type}, 16)
        assert (caught.value.status, caught.value.code) == (status, code)


class TestExplanation:
    def test_each_cell_is_covered_once_and_with_its_neighbours(self) -> None:
        copies = covered(np.full((34, 32, 3), 200, dtype=np.uint8))
        assert copies.shape == (25, 34, 32, 3)
        assert ((copies[:16] == 0).sum(axis=0) == 1).all()
        assert (copies[5, 8:17, 8:16] == 0).all()
        assert (copies[16, :17, :16] == 0).all()
        assert (copies[16, 17:] != 0).all()
        assert (copies[16, :, 16:] != 0).all()
        assert sorted(np.unique((copies == 0).sum(axis=0))) == [2, 3, 5]  # a corner, an edge, within

    def test_hot_is_what_the_class_suffers_from_when_it_is_covered(self, contract: Contract) -> None:
        logits = np.zeros(28, dtype=np.float32)
        logits[4] = 6
        without = np.repeat(logits[np.newaxis], 25, axis=0)
        without[3, 4], without[7, 4], without[9, 4] = 5, -20, 8  # a little less sure, another class, surer
        heatmap = heatmap_of(logits, without, contract)
        assert heatmap[1, 3] == 1
        assert 0 < heatmap[0, 3] < 0.1
        assert np.count_nonzero(heatmap) == 2
        without[24, 4] = -20  # the four cells of the last corner
        assert np.count_nonzero(heatmap_of(logits, without, contract)) == 6
        assert not heatmap_of(logits, np.repeat(logits[np.newaxis], 25, axis=0), contract).any()
        assert explanation({"predicted_class": "Bra"}, heatmap)["heatmap"][1][3] == 1

    def test_overlay_reddens_the_hot_corner(self) -> None:
        heatmap = np.zeros((4, 4), dtype=np.float32)
        heatmap[3, 3] = 1
        drawn = Image.open(io.BytesIO(overlay(reduced(Image.new("RGB", (800, 1000), (60, 60, 60))), heatmap)))
        assert max(drawn.size) == 640
        cold, hot = pixel(drawn, (5, 5)), pixel(drawn, (drawn.width - 5, drawn.height - 5))
        assert cold == (60, 60, 60)
        assert hot[0] > 120 > hot[1]


class TestContract:
    def test_the_committed_one_loads(self, contract: Contract) -> None:
        assert len(contract.classes) == 27
        assert contract.outputs == 28

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("classes", ["Bra", "Bra"], "different names"),
            ("input_size", 8, "at least 32"),
            ("std", [1, 0, 1], "positive"),
            ("temperature", 0, "positive"),
            ("accept_threshold", 1.5, "accept_threshold"),
            ("match_threshold", 1.5, "match_threshold"),
            ("match_threshold", 0.001, "'mismatch_threshold' 0.01 must not be above"),
            ("mismatch_threshold", None, "must be given together"),
            ("match_threshold_range", [0.2, 0.9], "must hold 'match_threshold' 0.1"),
            ("match_threshold_range", [0.1], "match_threshold_range"),
        ],
    )
    def test_impossible_values_are_named(self, field: str, value: object, words: str) -> None:
        fields = json.loads((ROOT / "model" / "contract.json").read_text())
        order_check = {"match_threshold": 0.1, "mismatch_threshold": 0.01, "match_threshold_range": None}
        with pytest.raises(ValueError, match=words):
            contracts.from_dict({**fields, **order_check, field: value})

    def test_thresholds_of_the_order_check_are_optional(self) -> None:
        fields = json.loads((ROOT / "model" / "contract.json").read_text())
        for name in ("match_threshold", "mismatch_threshold", "match_threshold_range"):
            fields.pop(name, None)
        assert contracts.from_dict(fields).thresholds.keys() == {"accept_threshold", "unknown_threshold"}
        with_order = contracts.from_dict({**fields, "match_threshold": 0.1, "mismatch_threshold": 0.01})
        assert with_order.thresholds["match_threshold"] == 0.1
        assert with_order.thresholds["mismatch_threshold"] == 0.01

    def test_what_calibration_measured_makes_no_other_contract(self) -> None:
        fields = json.loads((ROOT / "model" / "contract.json").read_text())
        wide, narrow = ({**fields, "match_threshold_range": [low, 0.9]} for low in (0.01, 0.1))
        assert contracts.from_dict(wide).match_threshold_range == (0.01, 0.9)
        assert contracts.from_dict(wide) == contracts.from_dict(narrow)

    def test_missing_field_is_named(self) -> None:
        with pytest.raises(ValueError, match="'model_version' is missing"):
            contracts.from_dict({})


def test_handler_settings_read_the_shipped_file() -> None:
    config = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text())
    read = settings.from_yaml(config)
    assert read.threads >= 1
    assert read.limits.max_bytes == 50_000_000
    with pytest.raises(ValueError, match="'graph' is missing"):
        settings.from_yaml({key: value for key, value in config.items() if key != "graph"})


def test_responses_never_hold_a_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_response({"confidence": math.nan})
