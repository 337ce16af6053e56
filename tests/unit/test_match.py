"""The order check: does the photo show what was ordered?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handler.errors import PhotoError
from handler.match import check_expected, verdict_of, with_match
from handler.pipeline import Predicted
from handler.request import EncodedPhoto, Request
from tests.support.drawn_photos import encoded
from tests.support.handler_steps import CONTRACT, answered

ORDERS = replace(CONTRACT, match_threshold=0.1, mismatch_threshold=0.01)
REVIEWED = {"predicted_class": "Belts", "confidence": 0.5, "decision": "review", "reason": "unknown_item"}
ACCEPTED = {"predicted_class": "Belts", "confidence": 0.9, "decision": "accept"}


def checked(probabilities: tuple[float, ...], *expected: str, prediction: dict[str, Any] = ACCEPTED) -> dict[str, Any]:
    return with_match(prediction, np.array(probabilities), expected, ORDERS)


@pytest.mark.parametrize(
    ("probability", "verdict", "decision", "reason"),
    [
        (1.0, "match", "accept", None),
        (0.1, "match", "accept", None),
        (0.0999, "unsure", "review", "unsure_match"),
        (0.01, "unsure", "review", "unsure_match"),
        (0.0099, "mismatch", "review", "mismatch"),
        (0.0, "mismatch", "review", "mismatch"),
    ],
)
@pytest.mark.parametrize("prediction", [ACCEPTED, REVIEWED], ids=["accepted", "reviewed"])
def test_the_verdict_decides(
    prediction: dict[str, Any], probability: float, verdict: str, decision: str, reason: str | None
) -> None:
    rest = 1 - probability
    answer = checked((probability, rest / 2, rest / 4, rest / 4), "Socks", prediction=prediction)
    assert answer["match"] == {"expected": ["Socks"], "probability": probability, "verdict": verdict}
    assert (answer["decision"], answer.get("reason")) == (decision, reason)
    assert ("reason" in answer) == (decision == "review")
    assert (answer["predicted_class"], answer["confidence"]) == ("Belts", prediction["confidence"])


def test_several_ordered_categories_count_together_and_the_outlier_counts_against_them() -> None:
    answer = checked((0.06, 0.02, 0.05, 0.87), "Bra", "Socks")
    assert answer["match"] == {"expected": ["Bra", "Socks"], "probability": pytest.approx(0.11), "verdict": "match"}
    assert checked((0.06, 0.02, 0.05, 0.87), "Socks")["match"]["verdict"] == "unsure"


def test_everything_ordered_is_certain_at_most() -> None:
    assert checked((0.7, 0.2, 0.1, 0.0), *CONTRACT.classes)["match"]["probability"] == 1.0


@pytest.mark.parametrize("name", ["Sock", "socks", "outlier", "Socks;Belts", "\u00dcberschuhe", "x" * 5000])
def test_an_unknown_category_is_refused_and_the_names_are_listed(name: str) -> None:
    with pytest.raises(PhotoError) as caught:
        check_expected(("Socks", name), ORDERS)
    assert (caught.value.status, caught.value.code) == (422, "unknown_category")
    assert "Socks, Belts, Bra" in caught.value.message
    assert caught.value.message.isascii()
    assert len(caught.value.message) < 300


def test_a_model_without_thresholds_says_so() -> None:
    check_expected((), CONTRACT)
    with pytest.raises(PhotoError) as caught:
        check_expected(("Socks",), CONTRACT)
    assert (caught.value.status, caught.value.code) == (422, "no_order_check")


def test_known_categories_pass() -> None:
    check_expected(("Socks", "Bra"), ORDERS)
    assert verdict_of(0.5, ORDERS) == "match"


@pytest.mark.parametrize(("colour", "verdict"), [("red", "match"), ("blue", "mismatch")])
def test_a_photo_with_an_order_through_all_steps(colour: str, verdict: str) -> None:
    """The fake network takes the reddest photo for socks. A picture comes when the order check asks for a person."""
    photos = tuple(EncodedPhoto(name, encoded(Image.new("RGB", (64, 64), colour))) for name in "ab")
    request = Request("predict", photos, expected=("Socks",), picture="review", wants_probabilities=True)
    for photo in answered(request, ORDERS):
        assert isinstance(photo, Predicted)
        prediction = photo.prediction
        assert prediction["match"]["verdict"] == verdict
        assert prediction["match"]["probability"] == prediction["probabilities"]["Socks"]
        assert ("picture" in prediction) == (verdict != "match")
