"""The figures of a model on rows that nothing was chosen by."""

from typing import Any

from torch import Tensor

from training.calibration import Decisions
from training.dataset import Dataset
from training.metrics import class_probabilities, expected_calibration_error, topk_right, wilson_interval


def figures_of(logits: Tensor, test: Dataset, decisions: Decisions) -> dict[str, dict[str, Any]]:
    """Measure one model by domain.

    Args:
        logits: float [N, C + 1] of the test rows.
        test: the rows.
        decisions: temperature and thresholds.

    Returns:
        By domain: ``n``, ``top1`` with its 95% interval ``top1_low`` and ``top1_high``, ``top3``, ``ece``,
        ``accepted_share``, ``accepted_wrong`` (share of the accepted), ``unknown_n``, ``unknown_to_review``;
        None where there is nothing to measure.
    """
    domains = sorted({row.domain for row in test.rows})
    return {domain: _figures_of_domain(logits, test, decisions, domain) for domain in domains}


def _figures_of_domain(logits: Tensor, test: Dataset, decisions: Decisions, domain: str) -> dict[str, Any]:
    here = Tensor([row.domain == domain for row in test.rows]).bool()
    outside = test.accepts[:, -1]
    known, unknown = here & ~outside, here & outside
    n, unknown_n = int(known.sum()), int(unknown.sum())
    right = topk_right(logits[known], test.accepts[known], 1)
    accepted = decisions.accepted(logits[known])
    confidence = class_probabilities(logits[known], decisions.temperature).max(dim=1).values
    low, high = wilson_interval(int(right.sum()), n)
    accepted_n = int(accepted.sum())
    return {
        "n": n,
        "top1": _share(int(right.sum()), n),
        "top1_low": round(low, 4),
        "top1_high": round(high, 4),
        "top3": _share(int(topk_right(logits[known], test.accepts[known], 3).sum()), n),
        "ece": round(expected_calibration_error(confidence, right), 4) if n else None,
        "accepted_share": _share(accepted_n, n),
        "accepted_wrong": _share(int((accepted & ~right).sum()), accepted_n),
        "unknown_n": unknown_n,
        "unknown_to_review": _share(int((~decisions.accepted(logits[unknown])).sum()), unknown_n),
    }


def _share(count: int, total: int) -> float | None:
    return round(count / total, 4) if total else None
