"""Temperature and thresholds."""

import pytest
import torch

from training.calibration import calibrate
from training.data import dataset
from training.data.categories import CLASSES, UNKNOWN
from training.data.samples import Sample
from training.evaluate.metrics import (
    top1_right,
)
from training.evaluate.outcomes import figures_of, outcomes_of


class TestCalibration:
    def dataset_of(self, accepts: torch.Tensor) -> dataset.Dataset:
        names = (*CLASSES, UNKNOWN)
        made = [
            Sample("studio", str(i), "", (names[int(a.int().argmax())],), "tune", b"") for i, a in enumerate(accepts)
        ]
        return dataset.Dataset(made, torch.zeros(len(made), 1, 1, 3, dtype=torch.uint8), accepts)

    def test_overconfident_logits_are_cooled_and_thresholds_hold(self) -> None:
        generator = torch.Generator().manual_seed(5)
        honest = torch.randn(3000, 28, generator=generator) * 8
        honest[:, -1] = -25
        drawn = torch.multinomial(torch.softmax(honest, dim=1), 1, generator=generator).squeeze(1)
        tuning = self.dataset_of(torch.nn.functional.one_hot(drawn, 28).bool())
        decisions = calibrate(honest * 2, tuning)
        assert decisions.temperature == pytest.approx(2, rel=0.08)
        accepted = decisions.accepted(honest * 2) & ~tuning.accepts[:, -1]
        right = top1_right(honest, tuning.accepts)
        assert accepted.sum() > 250
        assert (~right[accepted]).float().mean() <= 0.01
        outcomes = outcomes_of(honest * 2, tuning, decisions)
        assert sum(outcome.accepted for outcome in outcomes if outcome.known) == accepted.sum()
        figures = figures_of(outcomes)
        assert figures["top1"] == round(right[~tuning.accepts[:, -1]].float().mean().item(), 4)
        assert figures["top1_low"] < figures["top1"] < figures["top1_high"]
        assert figures["ece"] < 0.03

    def test_two_wrong_labels_among_the_surest_do_not_decide(self) -> None:
        generator = torch.Generator().manual_seed(6)
        honest = torch.randn(3000, 28, generator=generator) * 8
        honest[:, -1] = -25
        drawn = torch.multinomial(torch.softmax(honest, dim=1), 1, generator=generator).squeeze(1)
        before = calibrate(honest, self.dataset_of(torch.nn.functional.one_hot(drawn, 28).bool()))
        surest = torch.softmax(honest, dim=1).max(dim=1).values.topk(2).indices
        drawn[surest] = (drawn[surest] + 1) % 27
        after = calibrate(honest, self.dataset_of(torch.nn.functional.one_hot(drawn, 28).bool()))
        accepted = [decisions.accepted(honest).sum().item() for decisions in (before, after)]
        assert 0.7 * accepted[0] < accepted[1] <= accepted[0]

    def test_where_nothing_is_sure_next_to_nothing_is_accepted(self) -> None:
        generator = torch.Generator().manual_seed(7)
        logits = torch.randn(500, 28, generator=generator)
        accepts = torch.nn.functional.one_hot(torch.randint(0, 27, (500,), generator=generator), 28).bool()
        assert calibrate(logits, self.dataset_of(accepts)).accept_threshold == 1.0
