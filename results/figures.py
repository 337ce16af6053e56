"""Figures over many runs: what was sorted, what was accepted without a person, and how often people disagree."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, func, or_, select

from results.reviews import is_standing
from results.schema import predictions_history, reviews, runs

_answer = predictions_history.c
_OVERRULED = case((or_(reviews.c.to_class.is_(None), reviews.c.to_class != reviews.c.from_class), 1), else_=0)


@dataclass(frozen=True)
class Judged:
    """How many answers people looked at, and in how many they saw something else.

    Attributes:
        category: that the model had named.
        reviewed: verdicts that stand.
        overruled: of these, those that name another category, or none.
    """

    category: str
    reviewed: int
    overruled: int


def newest_closed_runs(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Return ``id`` and ``started_at`` of the newest runs that ended and classified something, the oldest first."""
    query = select(runs.c.id, runs.c.started_at).where(runs.c.status != "running", runs.c.classified > 0)
    rows = connection.execute(query.order_by(runs.c.id.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows][::-1]


def judged(connection: Connection, only_audit: bool) -> list[Judged]:
    """Return how often people overruled the model, by category, the most reviewed first.

    What a photo that nobody could use showed is not known, so such photos do not count.

    Args:
        connection: for reading.
        only_audit: only answers that were accepted and then drawn at random: the others were chosen because the model
            was unsure of them, and say nothing about what it accepts.
    """
    query = (
        select(reviews.c.from_class, func.count().label("reviewed"), func.sum(_OVERRULED).label("overruled"))
        .where(is_standing(), reviews.c.verdict != "unusable")
        .group_by(reviews.c.from_class)
    )
    if only_audit:
        drawn = _answer.audit & (_answer.decision == "accept")
        query = query.join(predictions_history, _answer.id == reviews.c.prediction_id).where(drawn)
    rows = [Judged(str(name), int(number), int(wrong)) for name, number, wrong in connection.execute(query)]
    return sorted(rows, key=lambda row: (-row.reviewed, row.category))
