"""Statistics over many runs: what was classified and accepted, and what people said of it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, case, func, literal, or_, select

from results.orders import SEPARATOR
from results.reviews import is_standing
from results.schema import photos, predictions_history, reviews, runs

_answer = predictions_history.c
_OVERRULED = case((or_(reviews.c.to_class.is_(None), reviews.c.to_class != reviews.c.from_class), 1), else_=0)
# Another item than ordered, or without an order another one than the model said.
_REFUSED = or_(
    reviews.c.to_class.is_(None),
    case(
        (photos.c.expected_category.is_(None), reviews.c.to_class != reviews.c.from_class),
        else_=literal("|")
        .concat(photos.c.expected_category)
        .concat("|")
        .not_like(literal("%|").concat(reviews.c.to_class).concat("|%")),
    ),
)
_DRAWN = and_(_answer.audit, _answer.decision == "accept")


@dataclass(frozen=True)
class Pair:
    """Photos of returns for which people saw another item than ordered.

    Attributes:
        ordered: the ordered categories, with `` or `` between them.
        seen: the category that people saw; None for none of ours.
        photos: how many.
        accepted: of these, those that the model accepted.
    """

    ordered: str
    seen: str | None
    photos: int
    accepted: int


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
        query = query.join(predictions_history, _answer.id == reviews.c.prediction_id).where(_DRAWN)
    rows = [CategoryAccuracy(str(name), int(number), int(wrong)) for name, number, wrong in connection.execute(query)]
    return sorted(rows, key=lambda row: (-row.reviewed, row.category))


def cleared_accuracy(connection: Connection) -> tuple[int, int]:
    """Return how many spot checks people decided, and in how many of them the model was wrong to accept the photo.

    With an order the model was wrong if the person saw another item than ordered. Without an order it was wrong if the
    person named another category.
    """
    query = (
        select(func.count(), func.coalesce(func.sum(case((_REFUSED, 1), else_=0)), 0))
        .select_from(reviews)
        .join(predictions_history, _answer.id == reviews.c.prediction_id)
        .join(photos, photos.c.id == reviews.c.photo_id)
        .where(is_standing(), reviews.c.verdict != "unusable", _DRAWN)
    )
    checked, wrong = connection.execute(query).one()
    return int(checked), int(wrong)


def refused_pairs(connection: Connection, most: int) -> list[Pair]:
    """Return what was ordered and what people saw instead, the most frequent first."""
    ordered, seen = photos.c.expected_category, reviews.c.to_class
    number = func.count()
    accepted = func.sum(case((_answer.decision == "accept", 1), else_=0))
    query = (
        select(ordered, seen, number, accepted)
        .select_from(reviews)
        .join(predictions_history, _answer.id == reviews.c.prediction_id)
        .join(photos, photos.c.id == reviews.c.photo_id)
        .where(is_standing(), reviews.c.verdict != "unusable", ordered.is_not(None), _REFUSED)
        .group_by(ordered, seen)
        .order_by(number.desc(), ordered, seen)
        .limit(most)
    )
    rows = connection.execute(query)
    return [Pair(name.replace(SEPARATOR, " or "), other, int(count), int(wrong)) for name, other, count, wrong in rows]
