"""Lists of returns for people: the newest change first, by what they type or scan, by decision, flag and note."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select, text, true, tuple_

from results.return_lists import LIST_COLUMNS, is_of_runs
from results.returns import return_key
from results.schema import photos, return_states, run_failures

_state = return_states.c
_BESIDE = 20  # photos listed beside the returns


@dataclass(frozen=True)
class ReturnFilters:
    """Which returns; None does not restrict.

    Attributes:
        typed: what a person typed or scanned; spaces and capitals do not matter, and a part of an id will do.
        decision: ``cleared``, ``hold`` or ``open``.
        flagged: only returns that a person marked.
        noted: only returns with a note.
        asked: only returns that wait for the lead.
        run_ids: only returns with a photo of these runs; empty does not restrict.
    """

    typed: str | None = None
    decision: str | None = None
    flagged: bool = False
    noted: bool = False
    asked: bool = False
    run_ids: tuple[int, ...] = ()


def find_one(connection: Connection, typed: str) -> str | None:
    """Return the key of the return that is meant by what a person typed or scanned; None if that is not one return.

    An id as it is written wins over one that differs in capitals, and a whole id over a part of one.
    """
    text = tidy(typed)
    if not text:
        return None
    whole = {form for words in (text, " ".join(typed.split())) for form in (words, words.upper(), words.lower())}
    for condition in (_state.return_id == typed.strip(), _state.return_id.in_(whole), _state.return_key == text):
        keys = connection.execute(select(_state.return_key).where(condition).limit(2)).scalars().all()
        if keys:
            return str(keys[0]) if len(keys) == 1 else None
    keys = connection.execute(select(_state.return_key).where(_contains(text)).limit(2)).scalars().all()
    return str(keys[0]) if len(keys) == 1 else None


def tidy(typed: str) -> str:
    """Return what was typed without the spaces that a scanner or a copy brings along."""
    return "".join(typed.split())


def find_returns_of(
    connection: Connection, filters: ReturnFilters, size: int, after: tuple[str, str] | None = None
) -> tuple[list[dict[str, Any]], tuple[str, str] | None]:
    """Return a page of returns with ``LIST_COLUMNS``, and the ``after`` of the next page; None on the last."""
    order = (_state.changed_at, _state.return_key)
    query = select(*(_state[name] for name in LIST_COLUMNS)).where(true(), *_conditions(filters))
    if after is not None:
        query = query.where(tuple_(*order) < tuple_(*after))
    query = query.order_by(*(column.desc() for column in order)).limit(size + 1)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    shown = rows[:size]
    return shown, (shown[-1]["changed_at"], shown[-1]["return_key"]) if len(rows) > size else None


def all_returns_of(connection: Connection, filters: ReturnFilters, size: int) -> Iterator[list[dict[str, Any]]]:
    """Yield all these returns page by page."""
    after = None
    while True:
        rows, after = find_returns_of(connection, filters, size, after)
        yield rows
        if after is None:
            return


def count_returns(connection: Connection, filters: ReturnFilters, most: int) -> int:
    """Count these returns up to a bound."""
    some = select(_state.return_key).where(true(), *_conditions(filters)).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def find_photos_named(connection: Connection, typed: str) -> list[dict[str, Any]]:
    """Return photos whose name begins with the text, and photos that failed whose name contains it."""
    text = typed.strip()
    if not text:
        return []
    columns = ("id", "filename", "return_id", "status", "error_code", "created_at")
    named = photos.c.filename.between(text, f"{text}\U0010ffff", symmetric=False)
    if connection.dialect.name == "postgresql":
        named = photos.c.filename.like(f"{_escaped(text)}%", escape="\\")
    failed = photos.c.id.in_(select(run_failures.c.photo_id)) & func.lower(photos.c.filename).like(
        f"%{_escaped(text.lower())}%", escape="\\"
    )
    found: dict[int, dict[str, Any]] = {}
    for condition in (failed & (photos.c.status == "failed"), named):
        query = select(*(photos.c[name] for name in columns)).where(condition).limit(_BESIDE)
        for row in connection.execute(query).mappings():
            found.setdefault(row["id"], {**row, "return_key": return_key(row["return_id"], row["id"])})
    return list(found.values())


def _conditions(filters: ReturnFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.typed and (words := tidy(filters.typed)):
        conditions.append(or_(_contains(words), _state.return_key == words))
    if filters.decision is not None:
        conditions.append(_state.final_decision == filters.decision)
    if filters.flagged:
        # By key: the planner would rather go through all returns in their order than sort the few that are marked. A
        # parameter in place of the 1 could not use the partial index.
        marked = select(return_states.alias("marked").c.return_key)
        conditions.append(_state.return_key.in_(marked.where(text("marked.flagged = 1"))))
    if filters.noted:
        conditions.append(_state.note.is_not(None))
    if filters.run_ids:
        conditions.append(is_of_runs(filters.run_ids))
    if filters.asked:
        conditions.append(_state.asked_at.is_not(None))
    return conditions


def _contains(text: str) -> ColumnElement[bool]:
    return func.lower(func.replace(_state.return_id, " ", "")).like(f"%{_escaped(text.lower())}%", escape="\\")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
