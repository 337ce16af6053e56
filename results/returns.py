"""What becomes of each return: the rule, and the table that holds its result.

The model alone clears a return or leaves it open; only people hold one. A photo without a return id is a return of its
own. ``docs/results-schema.md`` shows the rule as a table.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, cast, delete, exists, func, or_, select

from results import outbox, return_events, return_queue
from results.orders import SEPARATOR
from results.schema import photos, return_decisions, return_states
from results.sql import insert_into, now
from results.views import outcomes

_ROWS = 500
_outcome = outcomes.c
_KEY = func.coalesce("r:" + _outcome.return_id, "p:" + cast(_outcome.photo_id, Text))
_FINDINGS = {
    "matching": "match",
    "unsure": "unsure",
    "mismatches": "mismatch",
    "repeats": "repeat",
    "unusable": "unusable",
    "refused": "refused",
    "failed": "failed",
}
_COUNTED = ("photos", *_FINDINGS, "first_seen", "newest_photo_at")
_OF_QUEUE = ("category", "run_id")
_STATE = tuple(column.name for column in return_states.c if column.name not in ("return_key", "changed_at"))


def refresh(connection: Connection, photo_ids: Sequence[int]) -> None:
    """Bring the returns of these photos up to date, and note each decision that changed for the shop's system.

    Call it in the transaction that changed the photos.
    """
    refresh_keys(connection, keys_of(connection, photo_ids))


def keys_of(connection: Connection, photo_ids: Sequence[int]) -> list[str]:
    """Return the keys of the returns that these photos belong to."""
    keys: set[str] = set()
    for start in range(0, len(photo_ids), _ROWS):
        some = select(photos.c.id, photos.c.return_id).where(photos.c.id.in_(photo_ids[start : start + _ROWS]))
        keys |= {return_key(row.return_id, row.id) for row in connection.execute(some)}
    return sorted(keys)


def final_decisions(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """Return the stored final decision of each of these returns."""
    found: dict[str, str] = {}
    for start in range(0, len(keys), _ROWS):
        rows = _stored(connection, keys[start : start + _ROWS])
        found |= {row["return_key"]: row["final_decision"] for row in rows}
    return found


def refresh_keys(connection: Connection, keys: Sequence[str]) -> None:
    """Bring these returns up to date.

    A return without photos disappears: they were purged, or the only photo got a return id and belongs to that return.
    """
    for start in range(0, len(keys), _ROWS):
        some = keys[start : start + _ROWS]
        before = {row["return_key"]: row for row in _stored(connection, some)}
        after = {row["return_key"]: row for row in compute(connection, some)}
        changed = [row for key, row in after.items() if key not in before or _differs(before[key], row)]
        if changed:
            moment = now()
            new = insert_into(connection.dialect.name, return_states)
            values = {name: new.excluded[name] for name in (*_STATE, "changed_at")}
            rows = [{name: row[name] for name in ("return_key", *_STATE)} | {"changed_at": moment} for row in changed]
            connection.execute(new.on_conflict_do_update(index_elements=["return_key"], set_=values), rows)
            for row in rows:
                outbox.note(connection, before.get(row["return_key"]), row)
        if gone := before.keys() - after.keys():
            for key in sorted(gone):
                outbox.note(connection, before[key], _without_photos_left(before[key]))
            connection.execute(delete(return_states).where(return_states.c.return_key.in_(gone)))
        return_queue.refresh(connection, some, [row for row in after.values() if return_queue.waits(row)])


def return_key(return_id: str, photo_id: int) -> str:
    """Return the key of a photo's return: ``r:`` and the return id, or ``p:`` and the photo's own id."""
    return f"r:{return_id}" if return_id else f"p:{photo_id}"


def compute(connection: Connection, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Apply the rule to the photos and decisions of these returns; return rows of ``return_states``."""
    counted = connection.execute(_counting().where(_has_key(keys)).group_by(_KEY)).mappings().all()
    decisions = standing_decisions(connection, keys)
    ordered = _ordered(connection, keys)
    marks = return_events.marks_of(connection, keys)
    return [
        {
            "return_key": row["return_key"],
            "return_id": row["return_id"],
            "ordered": ordered.get(row["return_key"]),
            **{name: row[name] for name in (*_COUNTED, *_OF_QUEUE)},
            **return_events.add_marks(state_of(dict(row), decisions.get(row["return_key"])), marks[row["return_key"]]),
        }
        for row in counted
    ]


def state_of(counted: Mapping[str, Any], decision: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Apply the rule to one return.

    Args:
        counted: the photos by finding (``matching``, ``unsure``, ``mismatches``, ``repeats``, ``unusable``,
            ``refused``, ``failed``), the number of different ``orders`` and of ``matched_orders``, and who decided
            about the photos and when.
        decision: the standing decision of a person about the whole return.

    Returns:
        ``final_decision``, ``reason``, ``decided_by``, ``decided_at`` and ``note``.
    """
    if decision is not None and (
        decision["decision"] == "hold" or counted["newest_photo_at"] <= decision["decided_at"]
    ):
        return {
            "final_decision": decision["decision"],
            **{name: decision[name] for name in ("reason", "decided_by", "decided_at", "note")},
        }
    if counted["refused"]:
        return _state("hold", "not_what_was_ordered", counted["refused_by"], counted["refused_at"])
    if decision is not None:
        return _state("open", "new_photos")
    for finding, reason in (("mismatches", "mismatch"), ("repeats", "repeat"), ("failed", "failed_photo")):
        if counted[finding]:
            return _state("open", reason)
    if counted["matching"] and counted["matched_orders"] == counted["orders"]:
        return _state("cleared", None, counted["matched_by"] or "model", counted["matched_at"])
    if counted["matching"]:
        return _state("open", "missing_item")
    return _state("open", "unsure" if counted["unsure"] else "unusable_photos")


def decision_stands() -> ColumnElement[bool]:
    """Return the condition that a row of ``return_decisions`` is a decision that nobody took back."""
    undo = return_decisions.alias("undo")
    return and_(return_decisions.c.decision != "undone", ~exists().where(undo.c.undoes == return_decisions.c.id))


def standing_decisions(connection: Connection, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the newest decision about each whole return that nobody took back."""
    query = select(return_decisions).where(return_decisions.c.return_key.in_(keys), decision_stands())
    rows = connection.execute(query.order_by(return_decisions.c.id)).mappings()
    return {row["return_key"]: dict(row) for row in rows}


def find_wrong(connection: Connection) -> Iterator[str]:
    """Yield the keys of returns whose stored state differs from what the rule says; reads every photo."""
    last = 0
    while True:
        query = select(photos.c.id, photos.c.return_id).where(photos.c.id > last).order_by(photos.c.id).limit(_ROWS)
        rows = connection.execute(query).all()
        if not rows:
            break
        keys = sorted({return_key(row.return_id, row.id) for row in rows})
        stored = {row["return_key"]: row for row in _stored(connection, keys)}
        for right in compute(connection, keys):
            key = right["return_key"]
            if key not in stored or _differs(stored[key], right):
                yield key
        last = rows[-1].id
    yield from _without_photos(connection)


def _without_photos(connection: Connection) -> Iterator[str]:
    """Yield the keys of stored returns that have no photo any more."""
    last = ""
    while True:
        query = select(return_states.c.return_key).where(return_states.c.return_key > last)
        keys = list(connection.execute(query.order_by(return_states.c.return_key).limit(_ROWS)).scalars())
        if not keys:
            return
        found = connection.execute(select(photos.c.return_id, photos.c.id).where(of_returns(keys)))
        yield from sorted(set(keys) - {return_key(row.return_id, row.id) for row in found})
        last = keys[-1]


def _state(decision: str, reason: str | None, by: str | None = None, at: str | None = None) -> dict[str, Any]:
    return {"final_decision": decision, "reason": reason, "decided_by": by, "decided_at": at, "note": None}


def _without_photos_left(before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last state of a return whose photos are gone; the shop's system is told this state."""
    state = {**before, **dict.fromkeys(("photos", *_FINDINGS), 0), "changed_at": now()}
    return {**state, **_state("open", None)}


def _stored(connection: Connection, keys: Sequence[str]) -> list[dict[str, Any]]:
    query = select(return_states).where(return_states.c.return_key.in_(keys))
    return [dict(row) for row in connection.execute(query).mappings()]


def _differs(stored: Mapping[str, Any], computed: Mapping[str, Any]) -> bool:
    return any(stored[name] != computed[name] for name in _STATE)


def of_returns(keys: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a row of ``photos`` belongs to one of these returns; its indexes answer it."""
    return_ids = [key[2:] for key in keys if key.startswith("r:")]
    alone = [int(key[2:]) for key in keys if key.startswith("p:")]
    return or_(photos.c.return_id.in_(return_ids), and_(photos.c.id.in_(alone), photos.c.return_id == ""))


def _has_key(keys: Sequence[str]) -> ColumnElement[bool]:
    return _outcome.photo_id.in_(select(photos.c.id).where(of_returns(keys)))


def _counting() -> Select[Any]:
    def latest(finding: str, what: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.max(what).filter(_outcome.finding == finding, *conditions)

    columns: list[ColumnElement[Any]] = [
        _KEY.label("return_key"),
        func.max(_outcome.return_id).label("return_id"),
        func.count().label("photos"),
        *(func.count().filter(_outcome.finding == finding).label(name) for name, finding in _FINDINGS.items()),
        func.count(_outcome.expected_category.distinct()).label("orders"),
        func.count(_outcome.expected_category.distinct()).filter(_outcome.finding == "match").label("matched_orders"),
        latest("refused", _outcome.decided_by).label("refused_by"),
        latest("refused", _outcome.decided_at).label("refused_at"),
        latest("match", _outcome.decided_by, _outcome.decided_by != "model").label("matched_by"),
        latest("match", _outcome.decided_at).label("matched_at"),
        func.max(_outcome.predicted_class)
        .filter(_outcome.finding.in_(("mismatch", "repeat", "unsure")))
        .label("category"),
        func.max(_outcome.run_id).label("run_id"),
        func.min(_outcome.created_at).label("first_seen"),
        func.max(_outcome.created_at).label("newest_photo_at"),
    ]
    return select(*columns)


def _ordered(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """Return what was ordered by return: different orders with ``, ``, the categories of one with `` or ``."""
    query = select(_KEY.label("return_key"), _outcome.expected_category).where(
        _has_key(keys), _outcome.expected_category.is_not(None)
    )
    found: dict[str, set[str]] = {}
    for key, expected in connection.execute(query.distinct()):
        found.setdefault(key, set()).add(expected.replace(SEPARATOR, " or "))
    return {key: ", ".join(sorted(names)) for key, names in found.items()}
