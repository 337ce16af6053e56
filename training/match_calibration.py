"""The thresholds of the order check, chosen on the tuning rows.

Promises, each with one standard error included:

- of wrong claims, each other category equally often, at most 1% pass;
- of items outside the classes, claimed to be each class equally often, at most 3% pass;
- of right claims, at most 1% are called a mismatch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from training.data.dataset import Dataset
from training.evaluate.order_check import calibrated, passed_wrong_claims, right_claims

MOST_WRONG_PASSED = 0.01
MOST_UNKNOWN_PASSED = 0.03
MOST_RIGHT_MISMATCHED = 0.01
_LEAST_PHOTOS = 50  # a domain with fewer is judged together with the other one only
_MATCH_STEPS = 1_000  # thresholds that are tried between 0 and 1
_MISMATCH_STEPS = 10_000
_MEASURED = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class MatchThresholds:
    """The thresholds; the fields of the contract have the same names.

    Attributes:
        match_threshold: probability from which the verdict is ``match``.
        mismatch_threshold: probability below which the verdict is ``mismatch``; between the two it is ``unsure``.
        match_threshold_range: lowest and highest of the thresholds at which the shares of claims were measured.
    """

    match_threshold: float
    mismatch_threshold: float
    match_threshold_range: tuple[float, float]


def calibrate_match(logits: Tensor, tuning: Dataset, temperature: float) -> MatchThresholds:
    """Choose the lowest match threshold and the highest mismatch threshold that keep the promises.

    Where no match threshold keeps them it is 1, so that next to nothing matches.

    Args:
        logits: float [N, C + 1] of the tuning rows.
        tuning: the rows, both domains.
        temperature: of the contract.
    """
    probabilities = calibrated(logits, temperature)
    match = _lowest_match(probabilities, tuning)
    mismatch = _highest_mismatch(probabilities, tuning, match)
    measured = measured_thresholds(match, mismatch)
    return MatchThresholds(match, mismatch, (measured[0], measured[-1]))


def measured_thresholds(match: float, mismatch: float) -> list[float]:
    """Return the match thresholds at which figures tell the shares of claims, the chosen one among them.

    None lies below the mismatch threshold. Whoever sets another match threshold stays between the first and the last.
    """
    return sorted({threshold for threshold in (*_MEASURED, match) if threshold >= mismatch})


def _lowest_match(probabilities: Tensor, tuning: Dataset) -> float:
    outside = tuning.accepts[:, -1]
    kinds = _kinds(tuning, outside)

    def holds(threshold: float) -> bool:
        passed = passed_wrong_claims(probabilities, tuning.accepts, threshold)
        wrong = all(_upper(passed[rows]) <= MOST_WRONG_PASSED for rows in _domains(tuning, ~outside))
        return wrong and _upper(_mean_by_kind(passed[outside], kinds)) <= MOST_UNKNOWN_PASSED

    return next((step / _MATCH_STEPS for step in range(1, _MATCH_STEPS) if holds(step / _MATCH_STEPS)), 1.0)


def _highest_mismatch(probabilities: Tensor, tuning: Dataset, match: float) -> float:
    right = right_claims(probabilities, tuning.accepts)
    judged = list(_domains(tuning, ~tuning.accepts[:, -1]))

    def holds(threshold: float) -> bool:
        return all(_upper((right[rows] < threshold).float()) <= MOST_RIGHT_MISMATCHED for rows in judged)

    steps = [step / _MISMATCH_STEPS for step in range(int(match * _MISMATCH_STEPS) + 1)]
    return next((low for low, high in pairwise(steps) if not holds(high)), steps[-1])


def _domains(tuning: Dataset, chosen: Tensor) -> Iterator[Tensor]:
    """Yield the rows, bool [N], of all domains together, then of each domain with enough photos."""
    yield chosen
    for domain in ("studio", "phone"):
        rows = chosen & torch.tensor([sample.domain == domain for sample in tuning.samples])
        if int(rows.sum()) >= _LEAST_PHOTOS:
            yield rows


def _kinds(tuning: Dataset, outside: Tensor) -> Tensor:
    """Number the kinds of the items outside the classes, int64 [rows outside]."""
    names = [
        f"{sample.domain} {sample.source_label}"
        for sample, is_outside in zip(tuning.samples, outside.tolist(), strict=True)
        if is_outside
    ]
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return torch.tensor([numbers[name] for name in names], dtype=torch.int64)


def _mean_by_kind(values: Tensor, kinds: Tensor) -> Tensor:
    """Return the mean of each kind, float [kinds].

    The service meets other kinds of items than the tuning rows show, in other numbers. So each kind counts equally, and
    the standard error is that of kinds, not of photos.
    """
    count = int(kinds.max()) + 1 if len(kinds) else 0
    sums = torch.zeros(count).index_add(0, kinds, values)
    return sums / torch.bincount(kinds, minlength=count)


def _upper(values: Tensor) -> float:
    """Return the mean plus one standard error; 0 without values."""
    if len(values) == 0:
        return 0.0
    error = values.std(correction=min(1, len(values) - 1)) / len(values) ** 0.5
    return float(values.mean() + error)
