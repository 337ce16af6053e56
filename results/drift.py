"""Whether the model grows less, or more, certain from week to week: other items, other cameras, another season."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import mean, variance
from typing import Any

from sqlalchemy import Connection, func, select

from results.schema import predictions_history, runs

_WEEKS = 26
_BAND_WEEKS = 8  # before the one that is judged
_LEAST_WEEKS = 4
_LEAST_PHOTOS = 50  # of a week that is judged or judges others
_SIGMAS = 3
_answer = predictions_history.c


@dataclass(frozen=True)
class Confidence:
    """The confidence of a model over some photos.

    Attributes:
        photos: how many.
        total: sum of their confidences.
        squares: sum of the squares.
    """

    photos: int = 0
    total: float = 0.0
    squares: float = 0.0

    def plus(self, other: "Confidence") -> "Confidence":
        """Return the confidence over both."""
        return Confidence(self.photos + other.photos, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """The mean confidence; 0 without photos."""
        return self.total / self.photos if self.photos else 0.0

    @property
    def variance(self) -> float:
        """The variance of single photos."""
        return max(0.0, self.squares / self.photos - self.mean**2) if self.photos else 0.0


@dataclass(frozen=True)
class Week:
    """The mean confidence of one week.

    Attributes:
        monday: its first day.
        photos: classified in this week.
        mean: of their confidences.
        low: where the band of the weeks before begins; None if these are too few.
        high: where it ends.
    """

    monday: str
    photos: int
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def is_outside(self) -> bool:
        """Whether the week leaves the band of the weeks before."""
        return self.low is not None and self.high is not None and not self.low <= self.mean <= self.high


def runs_of_newest_model(connection: Connection) -> list[dict[str, Any]]:
    """Return ``id`` and ``started_at`` of the closed runs of the newest model in its last weeks, oldest first.

    Another model has another confidence, so runs of earlier models say nothing about this one.
    """
    closed = (runs.c.status != "running", runs.c.classified > 0)
    newest = connection.execute(select(runs).where(*closed).order_by(runs.c.id.desc()).limit(1)).mappings().first()
    if newest is None:
        return []
    first_day = _monday(newest["started_at"]) - timedelta(weeks=_WEEKS - 1)
    query = select(runs.c.id, runs.c.started_at).where(
        *closed,
        runs.c.started_at >= first_day.isoformat(),
        runs.c.model_version == newest["model_version"],
        runs.c.contract_version == newest["contract_version"],
    )
    return [dict(row) for row in connection.execute(query.order_by(runs.c.id)).mappings()]


def confidence_of_run(connection: Connection, run_id: int) -> Confidence:
    """Return the confidence of the predictions that a run made; copies of earlier ones do not count again."""
    value = _answer.confidence
    query = select(func.count(), func.sum(value), func.sum(value * value))
    found = connection.execute(query.where(_answer.run_id == run_id, _answer.reused.is_(False))).one()
    return Confidence(found[0], found[1] or 0.0, found[2] or 0.0)


def weeks_of(counted: Iterable[tuple[str, Confidence]]) -> list[Week]:
    """Return the weeks, oldest first, each with the band of the weeks before it.

    Args:
        counted: when each run started, and its confidence.

    Source: W. A. Shewhart's control chart with limits of three standard deviations. The deviation is that between the
    weeks and that of a mean of so many photos, so that a week of few photos raises no alarm by chance.
    """
    by_week: dict[str, Confidence] = {}
    for started_at, confidence in counted:
        monday = _monday(started_at).isoformat()
        by_week[monday] = by_week.get(monday, Confidence()).plus(confidence)
    weeks: list[Week] = []
    earlier: list[Confidence] = []
    for monday, confidence in sorted(by_week.items()):
        if not confidence.photos:
            continue
        band = _band(earlier[-_BAND_WEEKS:], confidence)
        weeks.append(Week(monday, confidence.photos, confidence.mean, *band))
        if confidence.photos >= _LEAST_PHOTOS:
            earlier.append(confidence)
    return weeks


def _band(earlier: Sequence[Confidence], week: Confidence) -> tuple[float, float] | tuple[None, None]:
    if len(earlier) < _LEAST_WEEKS or week.photos < _LEAST_PHOTOS:
        return None, None
    means = [each.mean for each in earlier]
    of_photos = mean(each.variance for each in earlier) / week.photos
    half = _SIGMAS * math.sqrt(variance(means) + of_photos)
    return max(0.0, mean(means) - half), min(1.0, mean(means) + half)


def _monday(moment: str) -> date:
    day = date.fromisoformat(moment[:10])
    return day - timedelta(days=day.weekday())
