"""How far judges of the same photos agree, and how often the data set's label is one that they accept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.data.categories import CLASSES, UNKNOWN, checked_category
from training.data.csv_files import lines
from training.evaluate.metrics import wilson_interval
from training.evaluate.outcomes import share

_COLUMNS = ("photo", "domain", "chosen", "label", "offered", "first", "second")
_CONTROL = "control"


@dataclass(frozen=True)
class ReviewedPhoto:
    """One photo of a label review.

    Attributes:
        domain: ``studio`` or ``phone``.
        chosen: the reasons to review it.
        label: categories that the data set accepts.
        offered: the other category that the judge was shown beside the label.
        first: categories that the first pass accepts, ``unknown`` among them where the item may be none of the 27.
        second: the same of the second pass; empty for a photo that was judged once.
        other_judge: the same of an independent judge; empty where there is none. It changes no label.
    """

    domain: str
    chosen: frozenset[str]
    label: frozenset[str]
    offered: str
    first: frozenset[str]
    second: frozenset[str]
    other_judge: frozenset[str] = frozenset()


def read_review(path: Path) -> list[ReviewedPhoto]:
    """Read a label review, such as ``model/label_review.csv``.

    Raises:
        FileNotFoundError, ValueError: the file or one of its lines cannot be used; the message has the line's number.
    """
    return [
        ReviewedPhoto(
            fields["domain"],
            frozenset(_parts(fields["chosen"])),
            _categories(fields["label"], where),
            checked_category(fields["offered"], where),
            _categories(fields["first"], where),
            _categories(fields["second"], where),
            _categories(fields.get("other_judge", ""), where),
        )
        for where, fields in lines(path, _COLUMNS)
    ]


def agreement(photos: Sequence[ReviewedPhoto], verdict: Literal["second", "other_judge"] = "second") -> dict[str, Any]:
    """Return how far another verdict agrees with the first pass on the photos that have both.

    Args:
        photos: of the review.
        verdict: ``second`` for the second pass, ``other_judge`` for the independent judge.

    Returns:
        ``photos``; ``same_set``, the share with the same categories; ``common``, the share with at least one in common;
        and Cohen's kappa of three yes/no questions: ``kappa_label`` (is the data set's label acceptable?),
        ``kappa_offered`` (is the other category?) and ``kappa_category`` (each of the 28 for each photo).
    """
    everything = (*CLASSES, UNKNOWN)
    pairs = [(photo, photo.first, getattr(photo, verdict)) for photo in photos if getattr(photo, verdict)]
    return {
        "photos": len(pairs),
        "same_set": share(sum(first == other for _, first, other in pairs), len(pairs)),
        "common": share(sum(not first.isdisjoint(other) for _, first, other in pairs), len(pairs)),
        "kappa_label": kappa(
            (not photo.label.isdisjoint(first), not photo.label.isdisjoint(other)) for photo, first, other in pairs
        ),
        "kappa_offered": kappa((photo.offered in first, photo.offered in other) for photo, first, other in pairs),
        "kappa_category": kappa((name in first, name in other) for _, first, other in pairs for name in everything),
    }


def control_labels(photos: Iterable[ReviewedPhoto]) -> dict[str, dict[str, Any]]:
    """Return by domain how often neither pass accepts the label of a control photo.

    Control photos are a random sample of those on which label and model agree. Each domain has ``photos``, ``wrong``
    and the 95% interval of the wrong share, ``low`` and ``high``.
    """
    control = [photo for photo in photos if _CONTROL in photo.chosen]
    rates = {}
    for domain in sorted({photo.domain for photo in control}):
        members = [photo for photo in control if photo.domain == domain]
        wrong = sum(photo.label.isdisjoint(photo.first | photo.second) for photo in members)
        low, high = wilson_interval(wrong, len(members))
        rates[domain] = {"photos": len(members), "wrong": wrong, "low": round(low, 4), "high": round(high, 4)}
    return rates


def kappa(answers: Iterable[tuple[bool, bool]]) -> float | None:
    """Return Cohen's kappa of two judges' answers to the same yes/no questions; None where chance explains everything.

    Source: Cohen, A Coefficient of Agreement for Nominal Scales, 1960.
    """
    pairs = list(answers)
    if not pairs:
        return None
    first, second = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    by_chance = first * second + (1 - first) * (1 - second)
    if by_chance == 1:
        return None
    observed: float = sum(one == other for one, other in pairs) / len(pairs)
    return round(float((observed - by_chance) / (1 - by_chance)), 4)


def _categories(text: str, where: str) -> frozenset[str]:
    return frozenset(checked_category(name, where) for name in _parts(text))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]
