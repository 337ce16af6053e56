"""What a model predicts for labelled photos, and the figures that follow."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training.calibration import Decisions
from training.data.categories import CLASSES, UNKNOWN
from training.data.dataset import Dataset
from training.evaluate.metrics import (
    class_probabilities,
    expected_calibration_error,
    outlier_probability,
    wilson_interval,
)
from training.evaluate.order_check import Judged


@dataclass(frozen=True)
class Outcome:
    """A model's prediction for one photo, with its accepted categories.

    Attributes:
        group: heading that the photo is counted under.
        accepts: categories that count as right; ``("unknown",)`` for an item outside the 27.
        top: the three most probable categories, the most probable first.
        confidence: calibrated probability of the first.
        accepted: the decision is ``accept``, so that no person reviews the photo.
        taken_for_unknown: the outlier probability reaches its threshold; the photo is reviewed at any confidence.
        probabilities: of the 27 categories, then of the outlier output; None from an archive without the order check.
        key: id of the photo in its data set, or its path.
    """

    group: str
    accepts: tuple[str, ...]
    top: tuple[str, ...]
    confidence: float
    accepted: bool
    taken_for_unknown: bool
    probabilities: tuple[float, ...] | None = None
    key: str = ""

    @property
    def known(self) -> bool:
        """Return True if the photo shows one of the 27."""
        return UNKNOWN not in self.accepts

    @property
    def right(self) -> bool:
        """Return True if the most probable category counts as right."""
        return self.top[0] in self.accepts


def outcomes_of(logits: Tensor, test: Dataset, decisions: Decisions) -> list[Outcome]:
    """Return the outcomes of a checkpoint's logits.

    Args:
        logits: float [N, C + 1] of the samples.
        test: the samples.
        decisions: temperature and thresholds.
    """
    probabilities, classes = class_probabilities(logits, decisions.temperature).topk(3, dim=1)
    outlier = outlier_probability(logits, decisions.temperature) >= decisions.unknown_threshold
    columns = (classes, probabilities[:, 0], decisions.accepted(logits), outlier)
    return [
        Outcome(sample.group, sample.accepts, tuple(CLASSES[index] for index in top), *rest)
        for sample, top, *rest in zip(test.samples, *(column.tolist() for column in columns), strict=True)
    ]


def judged_of(outcomes: Sequence[Outcome]) -> Judged:
    """Return the probabilities of outcomes that have them, for the order check."""
    columns = {name: number for number, name in enumerate((*CLASSES, UNKNOWN))}
    accepts = torch.zeros(len(outcomes), len(columns), dtype=torch.bool)
    for row, outcome in enumerate(outcomes):
        accepts[row, [columns[name] for name in outcome.accepts]] = True
    return Judged(torch.tensor([outcome.probabilities for outcome in outcomes]), accepts)


def by_group(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Return outcomes by group; the groups are in the order of their names."""
    groups = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.group].append(outcome)
    return dict(sorted(groups.items()))


def figures_of(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the figures of one group.

    Returns:
        ``n``, ``top1`` with its 95% interval ``top1_low`` and ``top1_high``, ``top3``, ``ece``, ``accepted_share``,
        ``accepted_wrong`` (share of the accepted), ``unknown_n``, ``unknown_to_review``; None for a share of no photos.
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
    """Return the mean top-1 over the sets of accepted categories, and the number of sets.

    The most common items dominate the pooled top-1; in this mean each set has the same weight.
    """
    rights = defaultdict(list)
    for outcome in outcomes:
        if outcome.known:
            rights[frozenset(outcome.accepts)].append(outcome.right)
    means = [sum(right) / len(right) for right in rights.values()]
    return share(sum(means), len(means)), len(means)


def share(count: float, total: int) -> float | None:
    """Return a share, rounded for reports; None if ``total`` is 0."""
    return round(count / total, 4) if total else None


def _calibration_error(known: Sequence[Outcome]) -> float:
    confidence = torch.tensor([outcome.confidence for outcome in known])
    return expected_calibration_error(confidence, torch.tensor([outcome.right for outcome in known]))
