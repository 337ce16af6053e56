"""Accuracy and calibration error."""

import pytest
import torch

from training.evaluate.metrics import (
    calibration_error_by_chance,
    expected_calibration_error,
    top1_right,
    wilson_interval,
)


class TestMetrics:
    def test_wilson_interval(self) -> None:
        low, high = wilson_interval(90, 100)
        assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)
        assert wilson_interval(0, 0) == (0.0, 1.0)

    def test_calibration_error_of_an_overconfident_model(self) -> None:
        right = torch.tensor([True] * 60 + [False] * 40)
        assert expected_calibration_error(torch.full((100,), 0.9), right) == pytest.approx(0.3, abs=1e-6)
        assert expected_calibration_error(torch.full((100,), 0.6), right) == pytest.approx(0.0, abs=1e-6)

    def test_what_chance_adds_to_the_calibration_error(self) -> None:
        confidence = torch.linspace(0.3, 1, 400)
        bound = calibration_error_by_chance(confidence)
        generator = torch.Generator().manual_seed(9)
        honest = [
            expected_calibration_error(confidence, torch.rand(400, generator=generator) < confidence)
            for _ in range(200)
        ]
        assert 180 <= sum(error <= bound for error in honest) <= 198
        assert calibration_error_by_chance(confidence) == bound
        assert calibration_error_by_chance(confidence.repeat(16)) < bound / 2

    def test_unknown_is_never_the_answer(self) -> None:
        logits = torch.tensor([[1.0, 0.5, 9.0]])
        assert top1_right(logits, torch.tensor([[True, False, False]])).item()
