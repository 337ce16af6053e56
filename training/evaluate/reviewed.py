"""Figures by labels that people gave after they had looked at the photos."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from training.evaluate.outcomes import Outcome

_WORST = 20  # mistakes that are listed; all are counted


def relabelled(outcomes: Iterable[Outcome], labels: dict[str, tuple[str, ...]], source: str) -> list[Outcome]:
    """Replace the labels of the reviewed photos, and leave out those that nobody can judge.

    Photos without a reviewed label keep that of their data set.

    Args:
        outcomes: of all photos.
        labels: accepted categories by the photo's key; an empty tuple leaves the photo out.
        source: the origin of the labels, for the message.

    Raises:
        ValueError: no label belongs to any of the photos.
    """
    given = list(outcomes)
    if labels.keys().isdisjoint(outcome.key for outcome in given):
        raise ValueError(f"{source}: none of its {len(labels)} photos is among the {len(given)} that were measured")
    renamed = [replace(outcome, accepts=labels.get(outcome.key, outcome.accepts)) for outcome in given]
    return [outcome for outcome in renamed if outcome.accepts]


def worst_mistakes(outcomes: Sequence[Outcome], most: int = _WORST) -> list[dict[str, Any]]:
    """Return the wrong answers for photos of the 27, the most confident first.

    Each has ``photo``, ``group``, ``accepts``, ``called`` and ``confidence``.
    """
    wrong = [outcome for outcome in outcomes if outcome.known and not outcome.right]
    return [
        {
            "photo": outcome.key,
            "group": outcome.group,
            "accepts": list(outcome.accepts),
            "called": outcome.top[0],
            "confidence": round(outcome.confidence, 3),
        }
        for outcome in sorted(wrong, key=lambda outcome: -outcome.confidence)[:most]
    ]
