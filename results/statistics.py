"""Statistics over many runs: what was classified and accepted, and how often people overruled the model."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, func, or_, select

from results.reviews import is_standing
from results.schema import predictions_history, reviews, runs

_answer = predictions_history.c
_OVERRULED = case((or_(reviews.c.to_class.is_(None), reviews.c.to_class != reviews.c.from_class), 1), else_=0)


@dataclass(frozen=True)
class CategoryAccuracy:
    """How many predictions of a category people reviewed, and how many of these they overruled.

    Attributes:
        category: the predicted category.
        reviewed: verdicts that nobody took back.
        overruled: reviewed predictions for which a person named another category, or none.
    """

    category: str
    reviewed: int
    overruled: int


def newest_closed_runs(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Return ``id`` and ``started_at`` of the newest closed runs that classified a photo, oldest first."""
    query = select(runs.c.id, runs.c.started_at).where(runs.c.status != "running", runs.c.classified > 0)
    rows = connection.execute(query.order_by(runs.c.id.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows][::-1]


def review_accuracy(connection: Connection, only_audit: bool) -> list[CategoryAccuracy]:
    """Return how often people overruled the model, by category, most reviewed first.

    Photos that a person called unusable do not count, because nobody knows what they show.

    Args:
        connection: for reading.
        only_audit: count only spot checks: accepted predictions that were drawn at random. All others were reviewed
            because the model was unsure, so they say nothing about what it accepts.
    """
    query = (
        select(reviews.c.from_class, func.count().label("reviewed"), func.sum(_OVERRULED).label("overruled"))
        .where(is_standing(), reviews.c.verdict != "unusable")
        .group_by(reviews.c.from_class)
    )
    if only_audit:
        drawn = _answer.audit & (_answer.decision == "accept")
        query = query.join(predictions_history, _answer.id == reviews.c.prediction_id).where(drawn)
    rows = [CategoryAccuracy(str(name), int(number), int(wrong)) for name, number, wrong in connection.execute(query)]
    return sorted(rows, key=lambda row: (-row.reviewed, row.category))
