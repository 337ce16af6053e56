"""The order check: does a photo show what was ordered? Claims, and how many of them pass.

A claim is what an order says of a photo. The right claim names the accepted categories: one, or a group where the label
is coarse, such as any footwear. A wrong claim names one other category. An item outside the 27 has wrong claims only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training.data.categories import CLASSES

LEAST_SHOWN, LEAST_PASSED = 10, 0.05  # photos of a category, and the share of them, that make a look-alike pair
_CURVE_POINTS = 200


def calibrated(logits: Tensor, temperature: float) -> Tensor:
    """Return the probabilities of all outputs, float [N, C + 1], the outlier output last."""
    return torch.softmax(logits / temperature, dim=1)


def right_claims(probabilities: Tensor, accepts: Tensor) -> Tensor:
    """Return the probability of each photo's right claim, float [N]: its accepted categories together.

    Args:
        probabilities: float [N, C + 1], of photos of the C classes.
        accepts: bool [N, C + 1].
    """
    return (probabilities * accepts)[:, :-1].sum(dim=1)


def passed_wrong_claims(probabilities: Tensor, accepts: Tensor, threshold: float) -> Tensor:
    """Return the share of each photo's wrong claims that pass, float [N]; each other category is claimed equally often.

    Args:
        probabilities: float [N, C + 1].
        accepts: bool [N, C + 1]; for an item outside the classes only the last is true.
        threshold: probability from which a claim passes.
    """
    wrong = ~accepts[:, :-1]
    return ((probabilities[:, :-1] >= threshold) & wrong).sum(dim=1) / wrong.sum(dim=1)


@dataclass(frozen=True)
class Judged:
    """Photos of one group, with their probabilities.

    Attributes:
        probabilities: float [N, C + 1], calibrated, the outlier output last.
        accepts: bool [N, C + 1].
    """

    probabilities: Tensor
    accepts: Tensor

    @property
    def known(self) -> "Judged":
        """Return the photos of the classes."""
        inside = ~self.accepts[:, -1]
        return Judged(self.probabilities[inside], self.accepts[inside])

    @property
    def unknown(self) -> "Judged":
        """Return the items outside the classes."""
        outside = self.accepts[:, -1]
        return Judged(self.probabilities[outside], self.accepts[outside])

    @property
    def exact(self) -> "Judged":
        """Return the photos with one accepted class."""
        one = self.accepts[:, :-1].sum(dim=1) == 1
        return Judged(self.probabilities[one], self.accepts[one])

    def right(self) -> Tensor:
        """Return the probability of each right claim."""
        return right_claims(self.probabilities, self.accepts)

    def passed(self, threshold: float) -> Tensor:
        """Return the share of each photo's wrong claims that pass."""
        return passed_wrong_claims(self.probabilities, self.accepts, threshold)


def figures_of(judged: Judged, match: float, mismatch: float) -> dict[str, Any]:
    """Return the figures of the order check for one group.

    Args:
        judged: the photos.
        match: the match threshold.
        mismatch: the mismatch threshold.

    Returns:
        ``right_n``, ``right_match``, ``right_mismatch``: claims that name the one accepted category. ``any_n``,
        ``any_match``, ``any_mismatch``: claims that name all accepted categories. ``wrong_n`` photos and their
        ``wrong_match``, ``wrong_mismatch``: wrong claims. ``unknown_n`` photos and their ``unknown_match``,
        ``unknown_mismatch``. ``_error`` after a name: its standard error. None for a share of no photos.
    """
    exact, known, unknown = judged.exact.known, judged.known, judged.unknown
    shares = {
        "right_match": (exact.right() >= match).float(),
        "right_mismatch": (exact.right() < mismatch).float(),
        "any_match": (known.right() >= match).float(),
        "any_mismatch": (known.right() < mismatch).float(),
        "wrong_match": known.passed(match),
        "wrong_mismatch": 1 - known.passed(mismatch),
        "unknown_match": unknown.passed(match),
        "unknown_mismatch": 1 - unknown.passed(mismatch),
    }
    counts = {"right_n": exact, "any_n": known, "wrong_n": known, "unknown_n": unknown}
    figures: dict[str, Any] = {name: len(part.accepts) for name, part in counts.items()}
    for name, values in shares.items():
        figures[name] = round(float(values.mean()), 5) if len(values) else None
        figures[f"{name}_error"] = (
            round(float(values.std(correction=0)) / len(values) ** 0.5, 5) if len(values) else None
        )
    return figures


def by_threshold(judged: Judged, thresholds: Sequence[float]) -> list[dict[str, float | None]]:
    """Return for each match threshold the shares of claims that pass.

    Each row has ``threshold``; ``any_match``, of right claims that name all accepted categories; ``wrong_match``; and
    ``unknown_match``. None for a share of no photos.
    """
    known, unknown = judged.known, judged.unknown
    rows: list[dict[str, float | None]] = []
    for threshold in thresholds:
        shares = {
            "any_match": (known.right() >= threshold).float(),
            "wrong_match": known.passed(threshold),
            "unknown_match": unknown.passed(threshold),
        }
        means = {name: round(float(values.mean()), 5) if len(values) else None for name, values in shares.items()}
        rows.append({"threshold": threshold, **means})
    return rows


def by_category(judged: Judged, match: float, mismatch: float) -> list[dict[str, Any]]:
    """Return one row for each category that is ordered, the least accepted first.

    Each row has ``category``; ``photos`` that show it and no other accepted category; of these ``right_match`` and
    ``right_mismatch``; and ``wrong_match``, the share of photos of other categories that pass as this one.
    """
    known, exact = judged.known, judged.exact.known
    rows = []
    for number, category in enumerate(CLASSES):
        own = exact.probabilities[exact.accepts[:, number], number]
        others = known.probabilities[~known.accepts[:, number], number]
        rows.append(
            {
                "category": category,
                "photos": len(own),
                "right_match": _share(own >= match),
                "right_mismatch": _share(own < mismatch),
                "wrong_match": _share(others >= match),
            }
        )
    return sorted(rows, key=lambda row: 2.0 if row["right_match"] is None else float(row["right_match"]))


def look_alikes(judged: Judged, match: float) -> list[dict[str, Any]]:
    """Return the pairs that the model cannot tell apart: ``shown``, ``ordered``, ``photos`` and the share that passes.

    A pair counts where at least ``LEAST_PASSED`` of at least ``LEAST_SHOWN`` photos pass as the other category.
    """
    exact = judged.exact.known
    pairs = []
    for shown, name in enumerate(CLASSES):
        rows = exact.probabilities[exact.accepts[:, shown]]
        if len(rows) < LEAST_SHOWN:
            continue
        passed = (rows[:, :-1] >= match).float().mean(dim=0)
        for ordered, share in enumerate(passed.tolist()):
            if ordered != shown and share >= LEAST_PASSED:
                pair = {"shown": name, "ordered": CLASSES[ordered], "photos": len(rows), "passed": round(share, 4)}
                pairs.append(pair)
    return sorted(pairs, key=lambda pair: -float(pair["passed"]))


def curve(judged: Judged) -> tuple[list[float], list[float], list[float]]:
    """Return true accept, false accept of wrong claims and of unknown items, over falling thresholds."""
    known, unknown = judged.known, judged.unknown
    thresholds = torch.logspace(0, -4, _CURVE_POINTS).tolist()
    right = [float((known.right() >= threshold).float().mean()) for threshold in thresholds]
    wrong = [float(known.passed(threshold).mean()) for threshold in thresholds]
    outside = [float(unknown.passed(threshold).mean()) for threshold in thresholds] if len(unknown.accepts) else []
    return right, wrong, outside


def _share(chosen: Tensor) -> float | None:
    return round(float(chosen.float().mean()), 4) if len(chosen) else None
