"""Finding stored photos: by what is known of them, a page at a time however many there are.

Pages go by key rather than by number: the next one begins behind the last row of this one, which costs the same on the
ten-thousandth page as on the first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, and_, case, func, or_, select, true

from results.lookalikes import find_similar
from results.reviews import is_standing
from results.schema import photos, predictions_history, reviews
from results.sql import to_text
from results.views import FINAL_COLUMNS, PREDICTION_COLUMNS, outcomes

SEARCH_COLUMNS = (*PREDICTION_COLUMNS, "verdict", "verdict_class", "reviewer", "reviewed_at", *FINAL_COLUMNS)
VERDICTS = ("confirmed", "corrected", "not_ours", "unusable")

_answer = predictions_history.c
_of_photo = and_(
    _answer.photo_id == outcomes.c.photo_id, _answer.run_id == outcomes.c.run_id, outcomes.c.status == "classified"
)
_LAST_SIGN = "\U0010ffff"


@dataclass(frozen=True)
class Criteria:
    """What is looked for; what is None does not matter.

    Attributes:
        filename: how the name begins; with ``*`` for any signs in between.
        return_id: exactly, but for capitals where all letters are of one kind.
        category: that the model named.
        decision: ``accept`` or ``review``.
        verdict: of a person: one of ``VERDICTS``, ``any`` or ``none``.
        day_from: first day of the answer, in the time zone ``zone``.
        day_to: last day.
        sha256: how the hash begins.
        run: that answered.
        similar_to: the photo that it looks like, by its number.
        mark: ``mismatch``: not what was ordered; ``repeat``: the same picture came before.
        zone: the reader's time zone.
    """

    filename: str | None = None
    return_id: str | None = None
    category: str | None = None
    decision: str | None = None
    verdict: str | None = None
    day_from: date | None = None
    day_to: date | None = None
    sha256: str | None = None
    run: int | None = None
    similar_to: int | None = None
    mark: str | None = None
    zone: tzinfo = UTC


@dataclass(frozen=True)
class Page:
    """Rows, and the key behind which the next page begins; None if this is the last."""

    rows: list[dict[str, Any]]
    next_key: list[Any] | None


def find_photos(connection: Connection, criteria: Criteria, size: int, after: list[Any] | None = None) -> Page:
    """Return a page of photos, each with ``SEARCH_COLUMNS``.

    The newest answers come first; what looks most like a photo where that is looked for, names in their order where a
    name is, verdicts from the newest where one is.

    Args:
        connection: for reading.
        criteria: what is looked for.
        size: rows of a page.
        after: the ``next_key`` of the page before.

    Raises:
        ValueError: the key belongs to another search.
    """
    similar = find_similar(connection, criteria.similar_to) if criteria.similar_to is not None else None
    keys, descending = _order(criteria, similar)
    query = _query(connection, criteria, similar)
    if after is not None:
        query = query.where(_behind(keys, after, descending))
    ordered = query.add_columns(*(key.label(f"key{index}") for index, key in enumerate(keys)))
    ordered = ordered.order_by(*(key.desc() if descending else key for key in keys)).limit(size + 1)
    rows = connection.execute(ordered).all()
    more = len(rows) > size
    shown = rows[:size]
    last = [getattr(shown[-1], f"key{index}") for index in range(len(keys))] if more else None
    return Page([_named(row) for row in shown], last)


def count_photos(connection: Connection, criteria: Criteria, most: int) -> int:
    """Count the photos that match, up to a bound."""
    similar = find_similar(connection, criteria.similar_to) if criteria.similar_to is not None else None
    some = _query(connection, criteria, similar).with_only_columns(_answer.id).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def all_photos(connection: Connection, criteria: Criteria, size: int) -> Iterator[list[dict[str, Any]]]:
    """Yield everything that is found, page by page."""
    after = None
    while True:
        page = find_photos(connection, criteria, size, after)
        yield page.rows
        if (after := page.next_key) is None:
            return


def photos_by_id(connection: Connection, photo_ids: list[int]) -> list[dict[str, Any]]:
    """Return photos with ``SEARCH_COLUMNS`` and ``prediction_id``, in the order of their ids in the list."""
    query = _select().add_columns(_answer.id.label("prediction_id")).where(_answer.photo_id.in_(photo_ids))
    rows = {row.photo_id: _named(row) | {"prediction_id": row.prediction_id} for row in connection.execute(query)}
    return [rows[photo_id] for photo_id in photo_ids if photo_id in rows]


def repeats_of(connection: Connection, photo_id: int, most: int = 24) -> list[dict[str, Any]]:
    """Return the photos that look like this one: the earlier one that it repeats, and the later ones that repeat it."""
    earlier = select(photos.c.repeat_of).where(photos.c.id == photo_id).scalar_subquery()
    alike = or_(photos.c.repeat_of == photo_id, photos.c.id == earlier, photos.c.repeat_of == earlier)
    numbers = select(photos.c.id).where(alike, photos.c.id != photo_id).order_by(photos.c.id).limit(most)
    return photos_by_id(connection, list(connection.execute(numbers).scalars()))


def similar_photos(connection: Connection, photo_id: int, most: int) -> list[dict[str, Any]]:
    """Return the photos that look most like this one, the nearest first; of those with the same bytes, the earliest."""
    similar = find_similar(connection, photo_id, most)
    of_bytes = and_(photos.c.sha256.in_(similar), photos.c.status == "classified")
    earliest = select(photos.c.sha256, func.min(photos.c.id)).where(of_bytes).group_by(photos.c.sha256)
    numbers = dict(connection.execute(earliest).all())
    return photos_by_id(connection, [numbers[sha256] for sha256 in similar if sha256 in numbers])


def sha256_of_photo(connection: Connection, photo_id: int) -> str | None:
    """Return the hash of a photo's bytes; None if there is no such photo, or it could never be read."""
    return connection.execute(select(photos.c.sha256).where(photos.c.id == photo_id)).scalar() or None


def _select() -> Select[Any]:
    return (
        select(
            *(outcomes.c[name] for name in PREDICTION_COLUMNS),
            reviews.c.verdict,
            reviews.c.to_class.label("verdict_class"),
            reviews.c.reviewer,
            reviews.c.created_at.label("reviewed_at"),
            *(outcomes.c[name] for name in FINAL_COLUMNS),
        )
        .select_from(predictions_history)
        .join(outcomes, _of_photo)
        .outerjoin(reviews, and_(reviews.c.photo_id == _answer.photo_id, is_standing()))
    )


def _order(criteria: Criteria, similar: list[str] | None) -> tuple[list[ColumnElement[Any]], bool]:
    """Return what the rows are ordered by, such that an index gives this order, and whether downwards."""
    if similar:
        places = {sha256: place for place, sha256 in enumerate(similar)}
        return [case(places, value=photos.c.sha256), photos.c.id], False
    if criteria.filename:
        return [photos.c.filename, photos.c.id], False
    if criteria.verdict not in (None, "none"):
        return [reviews.c.id], True
    if criteria.day_from or criteria.day_to:
        return [_answer.timestamp, _answer.id], True
    if criteria.run is not None and criteria.category:
        # A sum, which no index has in order: SQLite would go through the category of all runs to save a small sort.
        return [_answer.id + 0], True
    return [_answer.id], True


def _behind(keys: list[ColumnElement[Any]], after: list[Any], descending: bool) -> ColumnElement[bool]:
    types = [key.type.python_type for key in keys]
    if len(after) != len(keys) or not all(map(isinstance, after, types)):
        raise ValueError("this page belongs to another search")
    *first, last = [key < value if descending else key > value for key, value in zip(keys, after, strict=True)]
    return or_(first[0], and_(keys[0] == after[0], last)) if first else last


def _query(connection: Connection, criteria: Criteria, similar: list[str] | None) -> Select[Any]:
    query = _select()
    if criteria.filename or criteria.return_id or criteria.sha256 or similar is not None:
        query = query.join(photos, photos.c.id == _answer.photo_id)
    filters: list[ColumnElement[bool]] = []
    if similar is not None:
        filters.append(photos.c.sha256.in_(similar))
    if criteria.filename:
        filters.append(_like(connection, photos.c.filename, criteria.filename))
    if criteria.sha256:
        filters.append(photos.c.sha256.between(criteria.sha256.lower(), criteria.sha256.lower() + "g"))
    if criteria.return_id:
        typed = criteria.return_id
        filters.append(photos.c.return_id.in_({typed, typed.upper(), typed.lower()}))
    if criteria.category:
        filters.append(_answer.predicted_class == criteria.category)
    if criteria.decision:
        filters.append(_answer.decision == criteria.decision)
    if criteria.run is not None:
        filters.append(_answer.run_id == criteria.run)
    if criteria.verdict == "none":
        filters.append(reviews.c.id.is_(None))
    elif criteria.verdict is not None:
        filters.append(
            reviews.c.id.is_not(None) if criteria.verdict == "any" else reviews.c.verdict == criteria.verdict
        )
    if criteria.mark is not None:
        filters.append(outcomes.c.mismatch == 1 if criteria.mark == "mismatch" else outcomes.c.repeat_of.is_not(None))
    filters += _days(criteria)
    return query.where(and_(true(), *filters))


def _days(criteria: Criteria) -> Iterator[ColumnElement[bool]]:
    if criteria.day_from is not None:
        yield _answer.timestamp >= _midnight(criteria.day_from, criteria.zone)
    if criteria.day_to is not None and criteria.day_to < date.max:
        yield _answer.timestamp < _midnight(criteria.day_to + timedelta(days=1), criteria.zone)


def _midnight(day: date, zone: tzinfo) -> str:
    return to_text(datetime(day.year, day.month, day.day, tzinfo=zone))


def _like(connection: Connection, name: Column[Any], pattern: str) -> ColumnElement[bool]:
    """Match a name's beginning, in the form that each engine has an index for; ``*`` is any signs."""
    if "*" not in pattern and connection.dialect.name == "sqlite":
        return name.between(pattern, pattern + _LAST_SIGN)
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
    if connection.dialect.name == "sqlite":  # whose LIKE does not tell capitals apart; alike in both is what counts
        return func.lower(name).like(f"{escaped.lower()}%", escape="\\")
    if "*" in pattern:
        return name.ilike(f"{escaped}%", escape="\\")
    return name.like(f"{escaped}%", escape="\\")


def _named(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SEARCH_COLUMNS}
