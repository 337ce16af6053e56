"""The figures of a model on rows that nothing was chosen by."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training.calibration import Decisions
from training.data.dataset import Dataset
from training.data.samples import CLASSES, UNKNOWN
from training.evaluate.metrics import (
    class_probabilities,
    expected_calibration_error,
    outlier_probability,
    wilson_interval,
)


@dataclass(frozen=True)
class Outcome:
    """What a model made of one photo.

    Attributes:
        group: that it is counted in.
        accepts: categories that count as right; ``("unknown",)`` for an item outside the 27.
        top: the three likeliest categories, the likeliest first.
        confidence: calibrated probability of the first.
        accepted: no person would look at it.
        taken_for_unknown: the model holds it for none of the 27, so that no confidence would make it accepted.
    """

    group: str
    accepts: tuple[str, ...]
    top: tuple[str, ...]
    confidence: float
    accepted: bool
    taken_for_unknown: bool

    @property
    def known(self) -> bool:
        """Tell whether the photo shows one of the 27."""
        return UNKNOWN not in self.accepts

    @property
    def right(self) -> bool:
        """Tell whether the likeliest category counts as right."""
        return self.top[0] in self.accepts


def outcomes_of(logits: Tensor, test: Dataset, decisions: Decisions) -> list[Outcome]:
    """Say what a checkpoint makes of rows, by their domain.

    Args:
        logits: float [N, C + 1] of the rows.
        test: the rows.
        decisions: temperature and thresholds.
    """
    probabilities, classes = class_probabilities(logits, decisions.temperature).topk(3, dim=1)
    outlier = outlier_probability(logits, decisions.temperature) >= decisions.unknown_threshold
    columns = (classes, probabilities[:, 0], decisions.accepted(logits), outlier)
    return [
        Outcome(row.domain, row.accepts, tuple(CLASSES[index] for index in top), *rest)
        for row, top, *rest in zip(test.rows, *(column.tolist() for column in columns), strict=True)
    ]


def by_group(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Sort outcomes by group, the groups in the order of their names."""
    groups = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.group].append(outcome)
    return dict(sorted(groups.items()))


def figures_of(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Measure what a model made of the photos of one group.

    Returns:
        ``n``, ``top1`` with its 95% interval ``top1_low`` and ``top1_high``, ``top3``, ``ece``, ``accepted_share``,
        ``accepted_wrong`` (share of the accepted), ``unknown_n``, ``unknown_to_review``; None where there is nothing
        to measure.
    """
    known = [outcome for outcome in outcomes if outcome.known]
    unknown = [outcome for outcome in outcomes if not outcome.known]
    accepted = [outcome for outcome in known if outcome.accepted]
    right = sum(outcome.right for outcome in known)
    low, high = wilson_interval(right, len(known))
    return {
        "n": len(known),
        "top1": share(right, len(known)),
        "top1_low": round(low, 4) if known else None,
        "top1_high": round(high, 4) if known else None,
        "top3": share(sum(not set(outcome.top).isdisjoint(outcome.accepts) for outcome in known), len(known)),
        "ece": round(_calibration_error(known), 4) if known else None,
        "accepted_share": share(len(accepted), len(known)),
        "accepted_wrong": share(sum(not outcome.right for outcome in accepted), len(accepted)),
        "unknown_n": len(unknown),
        "unknown_to_review": share(sum(not outcome.accepted for outcome in unknown), len(unknown)),
    }


def mean_over_accepts(outcomes: Iterable[Outcome]) -> tuple[float | None, int]:
    """Return the mean top-1 over the sets of accepted categories, and how many sets there are.

    Pooled top-1 is that of the commonest items; here a rare kind counts as much.
    """
    rights = defaultdict(list)
    for outcome in outcomes:
        if outcome.known:
            rights[frozenset(outcome.accepts)].append(outcome.right)
    means = [sum(right) / len(right) for right in rights.values()]
    return share(sum(means), len(means)), len(means)


def share(count: float, total: int) -> float | None:
    """Return a share as it is reported; None of nothing."""
    return round(count / total, 4) if total else None


def _calibration_error(known: Sequence[Outcome]) -> float:
    confidence = torch.tensor([outcome.confidence for outcome in known])
    return expected_calibration_error(confidence, torch.tensor([outcome.right for outcome in known]))
