"""The returns that wait for a person, in order, and who has which of them on the screen.

A return waits while its state is ``open``. A photo without a return id is a return of its own: it waits here only as a
repeat; otherwise it waits on the page for single photos (:mod:`results.review_queue`). :func:`results.returns.refresh`
keeps this table up to date, in the transaction that changed a return.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, or_, select, true, tuple_, union, update

from results.schema import return_decisions, return_events, return_queue, return_states
from results.sql import insert_into, to_text

KINDS = {"mismatch": 0, "repeat": 1, "unsure": 2}
_queue = return_queue.c
_COLUMNS = ("return_key", "kind", "first_seen", "asked", "category", "run_id")
_ORDER = (_queue.kind, _queue.first_seen, _queue.return_key)


@dataclass(frozen=True)
class Filters:
    """Which returns of the queue; None does not restrict.

    Attributes:
        kind: of :data:`KINDS`.
        run: the newest run that classified one of its photos.
        category: what the model saw on a photo that it was not content with.
        days: only returns that have waited for at least so many days.
        mine: only returns that this person decided, noted, marked or asked about before.
        asked: True: only returns that wait for the lead; False: only the others; None: all.
    """

    kind: str | None = None
    run: int | None = None
    category: str | None = None
    days: int | None = None
    mine: str | None = None
    asked: bool | None = False


@dataclass(frozen=True)
class ClaimedReturns:
    """What a desk has on its screen.

    Attributes:
        keys: newly claimed, in the order of the queue.
        lost: of those it held, the ones that another desk has claimed, or that wait no more.
    """

    keys: list[str]
    lost: list[str]


def waits(state: Mapping[str, Any]) -> bool:
    """Return whether a return in this state waits here for a person."""
    return state["final_decision"] == "open" and (state["return_id"] is not None or state["reason"] == "repeat")


def row_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of the queue for a return that waits."""
    kind = "mismatch" if state["mismatches"] else "repeat" if state["repeats"] else "unsure"
    return {
        **{name: state[name] for name in ("return_key", "first_seen", "category", "run_id")},
        "kind": KINDS[kind],
        "asked": int(state["asked_at"] is not None),
    }


def refresh(connection: Connection, keys: Sequence[str], waiting: Sequence[Mapping[str, Any]]) -> None:
    """Put the waiting ones of these returns into the queue and take the others out; who claims one keeps it."""
    query = select(*(_queue[name] for name in _COLUMNS)).where(_queue.return_key.in_(keys))
    stored = {row["return_key"]: dict(row) for row in connection.execute(query).mappings()}
    rows = {state["return_key"]: row_of(state) for state in waiting}
    if gone := stored.keys() - rows.keys():
        connection.execute(delete(return_queue).where(_queue.return_key.in_(sorted(gone))))
    if changed := [row for key, row in rows.items() if stored.get(key) != row]:
        new = insert_into(connection.dialect.name, return_queue)
        values = {name: new.excluded[name] for name in _COLUMNS[1:]}
        connection.execute(new.on_conflict_do_update(index_elements=["return_key"], set_=values), changed)


def find_wrong(connection: Connection, most: int) -> list[str]:
    """Return the keys of returns that wait and should not, or do not wait and should, or elsewhere than they should."""
    state = return_states.c
    should_wait = and_(state.final_decision == "open", or_(state.return_id.is_not(None), state.reason == "repeat"))
    kind = case((state.mismatches > 0, 0), (state.repeats > 0, 1), else_=2)
    asked = case((state.asked_at.is_(None), 0), else_=1)
    differs = or_(_queue.kind != kind, _queue.first_seen != state.first_seen, _queue.asked != asked)
    both = return_states.outerjoin(return_queue, _queue.return_key == state.return_key)
    stored = select(state.return_key).select_from(both)
    wrong = or_(
        and_(should_wait, _queue.return_key.is_(None)), and_(_queue.return_key.is_not(None), or_(~should_wait, differs))
    )
    ownerless = select(_queue.return_key).where(_queue.return_key.not_in(select(state.return_key)))
    return list(connection.execute(union(stored.where(wrong), ownerless).limit(most)).scalars())


def claim(
    connection: Connection,
    desk: str,
    count: int,
    seconds: float,
    held: Sequence[str] = (),
    filters: Filters = Filters(),
    wanted: str | None = None,
) -> ClaimedReturns:
    """Give a desk its next returns, and keep them and those it holds from all others for a while.

    Args:
        connection: in a transaction.
        desk: names the person and the browser tab.
        count: returns to add at most.
        seconds: how long the claim lasts unless another call renews it.
        held: returns that the desk shows already.
        filters: which returns to add.
        wanted: a return that the desk asks for by its key; it comes first if nobody else has it, whatever the filters.
    """
    now = datetime.now(UTC)
    until = {"claimed_by": desk, "claimed_until": to_text(now + timedelta(seconds=seconds))}
    free = or_(_queue.claimed_by.is_(None), _queue.claimed_by == desk, _queue.claimed_until < to_text(now))
    renewed = update(return_queue).where(_queue.return_key.in_(held), free).values(until).returning(_queue.return_key)
    kept = set(connection.execute(renewed).scalars()) if held else set()
    # PostgreSQL: two desks that look at the same moment each get rows of their own.
    fresh: list[str] = []
    if wanted is not None and wanted not in held:
        asked_for = select(_queue.return_key).where(_queue.return_key == wanted, free)
        fresh += connection.execute(asked_for.with_for_update(skip_locked=True)).scalars()
    if count:
        conditions = [free, _queue.return_key.not_in([*held, *fresh]), *_conditions(filters)]
        query = select(_queue.return_key).where(*conditions).order_by(*_ORDER).limit(count)
        fresh += connection.execute(query.with_for_update(skip_locked=True)).scalars()
    if fresh:
        connection.execute(update(return_queue).where(_queue.return_key.in_(fresh)).values(until))
    return ClaimedReturns(fresh, [key for key in held if key not in kept])


def release(connection: Connection, desk: str) -> None:
    """Give back all that a desk has claimed."""
    values = {"claimed_by": None, "claimed_until": None}
    connection.execute(update(return_queue).where(_queue.claimed_by == desk).values(values))


def count_waiting(connection: Connection, most: int, filters: Filters = Filters()) -> int:
    """Count the returns that wait, claimed ones too, up to a bound; counting on would tell nobody more."""
    some = select(_queue.return_key).where(true(), *_conditions(filters)).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def page_in_order(
    connection: Connection, size: int, filters: Filters, after: tuple[int, str, str] | None = None
) -> tuple[list[str], tuple[int, str, str] | None]:
    """Return one page of keys in the order of the queue, and the ``after`` of the next page; None on the last.

    Args:
        connection: for reading.
        size: keys of a page.
        filters: which returns.
        after: what the page before returned.
    """
    conditions = _conditions(filters)
    if after is not None:
        conditions.append(tuple_(*_ORDER) > tuple_(*after))
    query = select(*_ORDER).where(true(), *conditions).order_by(*_ORDER).limit(size)
    rows = connection.execute(query).all()
    keys = [row.return_key for row in rows]
    return keys, (rows[-1].kind, rows[-1].first_seen, rows[-1].return_key) if len(rows) == size else None


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.asked is not None:
        conditions.append(_queue.asked == int(filters.asked))
    if filters.kind is not None:
        conditions.append(_queue.kind == KINDS[filters.kind])
    if filters.run is not None:
        conditions.append(_queue.run_id == filters.run)
    if filters.category is not None:
        conditions.append(_queue.category == filters.category)
    if filters.days is not None:
        conditions.append(_queue.first_seen <= to_text(datetime.now(UTC) - timedelta(days=filters.days)))
    if filters.mine is not None:
        decided = select(return_decisions.c.return_key).where(return_decisions.c.decided_by == filters.mine)
        marked = select(return_events.c.return_key).where(return_events.c.person == filters.mine)
        conditions.append(_queue.return_key.in_(union(decided, marked)))
    return conditions
