"""Lists of returns, a page at a time, and the decisions of people about whole returns."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, Text, case, cast, func, insert, or_, select, tuple_

from results import repeat_verdicts, reporting, returns, review_queue
from results.schema import photos, predictions_history, return_decisions, return_states, run_failures
from results.sql import now
from results.views import RETURN_COLUMNS, outcomes

LIST_COLUMNS = (*RETURN_COLUMNS, "changed_at")
HOLD_REASONS = ("not_what_was_ordered", "same_item", "unusable_photos", "damaged", "other")
_state = return_states.c


@dataclass(frozen=True)
class ReturnCriteria:
    """Which returns to list; None does not restrict.

    Attributes:
        final_decision: ``cleared``, ``hold`` or ``open``.
        since: only returns whose state changed after this time, ISO 8601 in UTC.
        run_ids: only returns with a photo that one of these runs classified or could not classify; empty does not
            restrict.
    """

    final_decision: str | None = None
    since: str | None = None
    run_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class ReturnPage:
    """Rows with ``LIST_COLUMNS``, and the key after which the next page begins; None on the last page."""

    rows: list[dict[str, Any]]
    next_key: tuple[str, str] | None


class NoSuchReturn(LookupError):
    """There is no such return: it was purged, or it never existed."""


class ReturnChanged(RuntimeError):
    """The return is not as the person saw it; nothing was stored.

    Args:
        present: its columns now.
    """

    def __init__(self, present: dict[str, Any]) -> None:
        super().__init__(f"the return changed at {present['changed_at']}")
        self.present = present


class NothingToUndo(RuntimeError):
    """No decision about this return stands."""


def find_returns(
    connection: Connection, criteria: ReturnCriteria, size: int, after: tuple[str, str] | None = None
) -> ReturnPage:
    """Return a page of returns, those that changed first first, so that a reader can follow the changes.

    Args:
        connection: for reading.
        criteria: which returns.
        size: rows of a page.
        after: ``next_key`` of the page before.
    """
    query = _listed(criteria)
    if after is not None:
        query = query.where(tuple_(_state.changed_at, _state.return_key) > tuple_(*after))
    ordered = query.order_by(_state.changed_at, _state.return_key).limit(size + 1)
    rows = [dict(row) for row in connection.execute(ordered).mappings()]
    shown = rows[:size]
    has_more = len(rows) > size
    return ReturnPage(shown, (shown[-1]["changed_at"], shown[-1]["return_key"]) if has_more else None)


def all_returns(connection: Connection, criteria: ReturnCriteria, size: int) -> Iterator[list[dict[str, Any]]]:
    """Yield all returns page by page."""
    after = None
    while True:
        page = find_returns(connection, criteria, size, after)
        yield page.rows
        if (after := page.next_key) is None:
            return


def count_by_decision(connection: Connection, criteria: ReturnCriteria) -> dict[str, int]:
    """Count returns by ``final_decision``; all three are there."""
    listed = _listed(criteria).subquery()
    query = select(listed.c.final_decision, func.count()).group_by(listed.c.final_decision)
    counted = {str(decision): int(number) for decision, number in connection.execute(query)}
    return {decision: counted.get(decision, 0) for decision in ("cleared", "hold", "open")}


def oldest_open(connection: Connection) -> dict[str, Any] | None:
    """Return the return that waits longest for a person; None if none waits."""
    query = select(*_columns()).where(_state.final_decision == "open").order_by(_state.first_seen, _state.return_key)
    row = connection.execute(query.limit(1)).mappings().first()
    return dict(row) if row is not None else None


def find_return(connection: Connection, key: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return one return with ``LIST_COLUMNS``, and its photos with the columns of the view ``outcomes``.

    Args:
        connection: for reading.
        key: ``r:`` and the return id, or ``p:`` and the number of a photo without a return.

    Raises:
        NoSuchReturn: there is none.
    """
    row = connection.execute(select(*_columns()).where(_state.return_key == key)).mappings().first()
    if row is None:
        raise NoSuchReturn(f"there is no return {key[2:]}")
    of_return = outcomes.c.photo_id.in_(select(photos.c.id).where(_of_return(key)))
    found = connection.execute(select(outcomes).where(of_return).order_by(outcomes.c.photo_id)).mappings()
    return dict(row), [dict(photo) for photo in found]


def states_of(connection: Connection, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return the states of these returns in the order of their keys, with ``LIST_COLUMNS``."""
    found = connection.execute(select(*_columns()).where(_state.return_key.in_(keys))).mappings()
    rows = {row["return_key"]: dict(row) for row in found}
    return [rows[key] for key in keys if key in rows]


def decide_return(
    connection: Connection,
    key: str,
    decision: Literal["cleared", "hold"],
    person: str,
    reason: str | None = None,
    note: str | None = None,
    seen_at: str | None = None,
) -> dict[str, Any]:
    """Store a person's decision about a whole return, and return its new state.

    Args:
        connection: in a transaction.
        key: of the return.
        decision: ``cleared`` or ``hold``.
        person: who decides.
        reason: one of ``HOLD_REASONS``; needed to hold a return.
        note: free text.
        seen_at: ``changed_at`` of the state that the person saw; None decides whatever the state is.

    Raises:
        NoSuchReturn: there is none.
        ReturnChanged: the state is another than the person saw.
        ValueError: a hold without a reason, or an unknown reason.
    """
    if decision == "hold" and reason not in HOLD_REASONS:
        raise ValueError(f"a hold needs one of these reasons: {', '.join(HOLD_REASONS)}")
    present = lock_return(connection, key)
    if seen_at is not None and present["changed_at"] != seen_at:
        raise ReturnChanged(present)
    row = {"return_key": key, "decision": decision, "reason": reason, "note": note}
    connection.execute(insert(return_decisions).values(decided_by=person, decided_at=now(), **row))
    return _refreshed(connection, key)


def undo_decision(connection: Connection, key: str, person: str, may_undo_others: bool = True) -> dict[str, Any]:
    """Take back the standing decision about a return, and return its new state.

    A verdict "same item" about one of its photos was the cause of the decision, so it goes with it.

    Raises:
        NoSuchReturn: there is none.
        NothingToUndo: no decision stands, or it is another person's.
    """
    lock_return(connection, key)
    standing = returns.standing_decisions(connection, [key]).get(key)
    if standing is None:
        raise NothingToUndo(f"no decision about return {key[2:]} stands")
    if standing["decided_by"] != person and not may_undo_others:
        raise NothingToUndo(f"this is a decision of {standing['decided_by']}; only they or an admin can take it back")
    row = {"return_key": key, "decision": "undone", "undoes": standing["id"]}
    connection.execute(insert(return_decisions).values(decided_by=person, decided_at=now(), **row))
    repeat_verdicts.take_back(connection, person, photo_ids(connection, key), "same_item")
    return _refreshed(connection, key)


def photo_ids(connection: Connection, key: str) -> list[int]:
    """Return the ids of the photos of a return, in their order."""
    query = select(photos.c.id).where(_of_return(key)).order_by(photos.c.id)
    return list(connection.execute(query).scalars())


def mismatches_by_pair(connection: Connection, run_ids: Collection[int], most: int) -> list[dict[str, Any]]:
    """Count the mismatches of runs by what was ordered and what the photo looks like, most frequent first."""
    answer = predictions_history.c
    query = (
        select(photos.c.expected_category.label("ordered"), answer.predicted_class, func.count().label("photos"))
        .join(photos, photos.c.id == answer.photo_id)
        .where(answer.run_id.in_(run_ids), reporting.IS_MISMATCH == 1)
        .group_by(photos.c.expected_category, answer.predicted_class)
        .order_by(func.count().desc(), photos.c.expected_category, answer.predicted_class)
        .limit(most)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _of_return(key: str) -> ColumnElement[bool]:
    return photos.c.return_id == key[2:] if key.startswith("r:") else photos.c.id == int(key[2:])


def _refreshed(connection: Connection, key: str) -> dict[str, Any]:
    """Bring the return and the queue of its photos up to date, and return its new state."""
    returns.refresh_keys(connection, [key])
    review_queue.refresh(connection, photo_ids(connection, key))
    return find_return(connection, key)[0]


def _columns() -> list[Any]:
    return [_state[name] for name in LIST_COLUMNS]


def _listed(criteria: ReturnCriteria) -> Select[Any]:
    query = select(*_columns())
    if criteria.final_decision is not None:
        query = query.where(_state.final_decision == criteria.final_decision)
    if criteria.since is not None:
        query = query.where(_state.changed_at > criteria.since)
    if criteria.run_ids:
        query = query.where(is_of_runs(criteria.run_ids))
    return query


def is_of_runs(run_ids: Collection[int]) -> ColumnElement[bool]:
    """Return the condition that one of these runs classified a photo of a return, or could not classify it."""
    key = case((photos.c.return_id != "", "r:" + photos.c.return_id), else_="p:" + cast(photos.c.id, Text))
    classified = select(predictions_history.c.photo_id).where(predictions_history.c.run_id.in_(run_ids))
    failed = select(run_failures.c.photo_id).where(run_failures.c.run_id.in_(run_ids))
    return _state.return_key.in_(select(key).where(or_(photos.c.id.in_(classified), photos.c.id.in_(failed))))


def lock_return(connection: Connection, key: str) -> dict[str, Any]:
    """Lock the state of a return, so that one decision at a time looks at it."""
    row = connection.execute(select(*_columns()).where(_state.return_key == key).with_for_update()).mappings().first()
    if row is None:
        raise NoSuchReturn(f"there is no return {key[2:]}")
    return dict(row)
