"""The photos that wait for a person, in order, and who has which of them on the screen.

The queue is a small table of its own rather than a query over all predictions, so that its first page costs the same
with a thousand photos stored and with a million. Whoever changes what a photo's place depends on (its newest answer,
the manifest, a verdict) calls :func:`results.derived.refresh` in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Delete,
    Insert,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    true,
    update,
)

from results.repeat_verdicts import is_another_item
from results.reviews import has_standing_verdict
from results.schema import predictions_history, return_decisions, review_queue
from results.sql import insert_into, to_text
from results.views import predictions

_queue = review_queue.c
_of_current_answer = and_(
    predictions_history.c.photo_id == predictions.c.photo_id, predictions_history.c.run_id == predictions.c.run_id
)
_is_repeat = and_(
    predictions.c.repeat_of.is_not(None), ~is_another_item(predictions.c.photo_id, predictions.c.repeat_of)
)
_undo = return_decisions.alias("undo")
_RETURN_KEY = func.coalesce("r:" + predictions.c.return_id, "p:" + cast(predictions.c.photo_id, Text))
_return_is_decided = exists().where(
    return_decisions.c.return_key == _RETURN_KEY,
    return_decisions.c.decision != "undone",
    ~exists().where(_undo.c.undoes == return_decisions.c.id),
)
# Mismatches before repeats before the rest; the surest mismatch first, of the others the least sure.
_PLACE = case(
    (predictions.c.mismatch == 1, 1 - predictions.c.confidence),
    (_is_repeat, 1 + predictions.c.confidence),
    else_=2 + predictions.c.confidence,
)
_BY_ITSELF = or_(
    and_(predictions.c.return_id.is_(None), predictions.c.repeat_of.is_(None)), predictions_history.c.audit
)
_COLUMNS = ("photo_id", "prediction_id", "place", "predicted_class", "by_itself")
_SAME_PLACE = 1e-9
KINDS = {"mismatch": (0.0, 1.0), "repeat": (1.0, 2.0), "unsure": (2.0, 4.0)}  # from above, to below this place


@dataclass(frozen=True)
class Claimed:
    """What a desk has on its screen.

    Attributes:
        photo_ids: newly claimed, in the order of the queue.
        lost: of those it held, the ones that somebody else has meanwhile claimed or decided.
    """

    photo_ids: list[int]
    lost: list[int]


@dataclass(frozen=True)
class QueuePage:
    """Photos in the order of the queue, and the key behind which the next page begins; None if this is the last."""

    photo_ids: list[int]
    next_key: tuple[float, int] | None


def refresh(connection: Connection, photo_ids: Sequence[int]) -> None:
    """Put photos into the queue, at their place, or take them out of it; who claims one keeps it.

    A photo waits while its newest answer wants a person (``review``, a mismatch, a repeat, or drawn for the audit) and
    no verdict of a person stands. Once a person decided about the whole return, only its spot checks wait.
    """
    for statement in _refreshing(connection.dialect.name):
        connection.execute(statement, {"photo_ids": list(photo_ids)})


@cache
def _refreshing(dialect: str) -> tuple[Delete, Insert]:
    """Return what takes photos out and what puts them in; built once, for building takes longer than running."""
    which: BindParameter[Any] = bindparam("photo_ids", expanding=True)
    wanted = _wanted().where(predictions.c.photo_id.in_(which))
    kept = wanted.with_only_columns(predictions.c.photo_id)
    new = insert_into(dialect, review_queue).from_select(_COLUMNS, wanted)
    changed = {name: new.excluded[name] for name in _COLUMNS[1:]}
    return (
        delete(review_queue).where(_queue.photo_id.in_(which), _queue.photo_id.not_in(kept)),
        new.on_conflict_do_update(index_elements=["photo_id"], set_=changed),
    )


def _wanted() -> Select[Any]:
    """Select ``_COLUMNS`` of every photo that should wait."""
    return (
        select(
            predictions.c.photo_id,
            predictions_history.c.id.label("prediction_id"),
            _PLACE.label("place"),
            predictions.c.predicted_class,
            _BY_ITSELF.label("by_itself"),
        )
        .join(predictions_history, _of_current_answer)
        .where(
            or_(
                predictions_history.c.audit,
                and_(
                    or_(predictions.c.decision == "review", predictions.c.mismatch == 1, _is_repeat),
                    ~_return_is_decided,
                ),
            ),
            ~has_standing_verdict(predictions.c.photo_id),
        )
    )


def is_waiting(connection: Connection, photo_id: int) -> bool:
    """Return whether a photo waits for a person."""
    return connection.execute(select(_queue.photo_id).where(_queue.photo_id == photo_id)).first() is not None


def find_forgotten(connection: Connection, most: int) -> list[tuple[int, bool]]:
    """Return photos that should wait and do not, or elsewhere than they should, and whether they wait at all."""
    wanted = _wanted().subquery()
    differs = or_(
        _queue.prediction_id != wanted.c.prediction_id,
        _queue.predicted_class != wanted.c.predicted_class,
        _queue.by_itself != wanted.c.by_itself,
        func.abs(_queue.place - wanted.c.place) > _SAME_PLACE,
    )
    waits = _queue.photo_id.is_not(None)
    query = (
        select(wanted.c.photo_id, waits.label("waits"))
        .outerjoin(review_queue, _queue.photo_id == wanted.c.photo_id)
        .where(or_(~waits, differs))
        .order_by(wanted.c.photo_id)
        .limit(most)
    )
    return [(row.photo_id, bool(row.waits)) for row in connection.execute(query)]


def find_needless(connection: Connection, most: int) -> list[int]:
    """Return photos that wait although nobody needs to look at them."""
    wanted = _wanted().where(predictions.c.photo_id == _queue.photo_id).correlate(review_queue).exists()
    query = select(_queue.photo_id).where(~wanted).order_by(_queue.photo_id).limit(most)
    return list(connection.execute(query).scalars())


def claim(
    connection: Connection,
    desk: str,
    count: int,
    seconds: float,
    held: Sequence[int] = (),
    predicted_class: str | None = None,
    kind: str | None = None,
    by_itself: bool = False,
) -> Claimed:
    """Give a desk its next photos, and keep them and those it holds from all others for a while.

    Args:
        connection: in a transaction.
        desk: names the person and the browser tab.
        count: photos to add at most.
        seconds: how long the claim lasts unless it is renewed by another call.
        held: photos that the desk shows already.
        predicted_class: only of this category.
        kind: only of this kind, of :data:`KINDS`.
        by_itself: only photos that are decided on the page for single photos, not with their return.
    """
    now = datetime.now(UTC)
    until = {"claimed_by": desk, "claimed_until": to_text(now + timedelta(seconds=seconds))}
    free = or_(_queue.claimed_by.is_(None), _queue.claimed_by == desk, _queue.claimed_until < to_text(now))
    renewed = update(review_queue).where(_queue.photo_id.in_(held), free).values(until).returning(_queue.photo_id)
    kept = set(connection.execute(renewed).scalars())
    wanted = and_(free, _queue.photo_id.not_in(held), *_filters(predicted_class, kind, by_itself))
    query = select(_queue.photo_id).where(wanted).order_by(_queue.place, _queue.photo_id).limit(count)
    # PostgreSQL: two desks that look at the same moment each get rows of their own.
    fresh = list(connection.execute(query.with_for_update(skip_locked=True)).scalars())
    if fresh:
        connection.execute(update(review_queue).where(_queue.photo_id.in_(fresh)).values(until))
    return Claimed(fresh, [photo_id for photo_id in held if photo_id not in kept])


def release(connection: Connection, desk: str) -> None:
    """Give back all that a desk has claimed."""
    values = {"claimed_by": None, "claimed_until": None}
    connection.execute(update(review_queue).where(_queue.claimed_by == desk).values(values))


def count_waiting(
    connection: Connection,
    most: int,
    predicted_class: str | None = None,
    kind: str | None = None,
    by_itself: bool = False,
) -> int:
    """Count the photos that wait, claimed ones too, up to a bound; counting on would tell nobody more."""
    some = select(_queue.photo_id).where(true(), *_filters(predicted_class, kind, by_itself)).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def waiting_categories(connection: Connection, most: int) -> list[tuple[str, int]]:
    """Return the predicted categories of what waits, each with its number of photos up to a bound, the largest first.

    The names are found by leaping from one to the next in the index: counting all rows takes half a second with a
    million of them.
    """
    rows: list[tuple[str, int]] = []
    name: str | None = ""
    while name is not None:
        after = select(func.min(_queue.predicted_class)).where(_queue.predicted_class > name)
        name = connection.execute(after).scalar()
        if name is not None:
            rows.append((name, count_waiting(connection, most, name)))
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def page_in_order(
    connection: Connection,
    size: int,
    kind: str | None = None,
    after: tuple[float, int] | None = None,
    by_itself: bool = False,
) -> QueuePage:
    """Return one page of the photos that wait, leased ones too, in the order of the queue.

    Args:
        connection: for reading.
        size: photos of a page.
        kind: only of this kind, of :data:`KINDS`.
        after: the ``next_key`` of the page before.
        by_itself: only photos that are decided on the page for single photos.
    """
    filters = _filters(None, kind, by_itself)
    if after is not None:
        place, photo_id = after
        filters.append(or_(_queue.place > place, and_(_queue.place == place, _queue.photo_id > photo_id)))
    query = select(_queue.place, _queue.photo_id).where(true(), *filters)
    rows = connection.execute(query.order_by(_queue.place, _queue.photo_id).limit(size)).all()
    last = (rows[-1].place, rows[-1].photo_id) if len(rows) == size else None
    return QueuePage([row.photo_id for row in rows], last)


def _filters(predicted_class: str | None, kind: str | None, by_itself: bool = False) -> list[ColumnElement[bool]]:
    filters: list[ColumnElement[Any]] = [_queue.by_itself] if by_itself else []
    if predicted_class is not None:
        filters.append(_queue.predicted_class == predicted_class)
    if kind is not None:
        start, end = KINDS[kind]
        filters += [_queue.place >= start, _queue.place < end]
    return filters
