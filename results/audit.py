"""What people decided, the newest first: verdicts about photos and decisions about whole returns, a page at a time.

Pages go by key, as in ``results/search.py``, so that each costs the same however many there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, and_, case, exists, func, or_, select

from results.schema import photos, return_decisions, reviews

AUDIT_COLUMNS = (
    "at",
    "person",
    "kind",  # photo, return
    "id",
    "decision",
    "photo_id",
    "filename",
    "return_id",
    "from_category",
    "to_category",
    "reason",
    "note",
    "takes_back",  # the id of the decision that this one takes back
    "taken_back",
)
_MOST_PEOPLE = 200

Key = tuple[str, str, int]


@dataclass(frozen=True)
class AuditCriteria:
    """Which decisions are listed; what is None does not matter.

    Attributes:
        person: who decided.
        since: the first moment, UTC, as stored.
        until: the first moment after it.
    """

    person: str | None = None
    since: str | None = None
    until: str | None = None

    def of(self, person: Column[Any], at: Column[Any]) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions on the columns of a table."""
        if self.person is not None:
            yield person == self.person
        if self.since is not None:
            yield at >= self.since
        if self.until is not None:
            yield at < self.until


@dataclass(frozen=True)
class AuditPage:
    """Rows with ``AUDIT_COLUMNS``, and the key behind which the next page begins; None if this is the last."""

    rows: list[dict[str, Any]]
    next_key: Key | None


def find_decisions(connection: Connection, criteria: AuditCriteria, size: int, after: Key | None = None) -> AuditPage:
    """Return a page of decisions, the newest first.

    Args:
        connection: for reading.
        criteria: which.
        size: rows of a page.
        after: the ``next_key`` of the page before.
    """
    found: list[dict[str, Any]] = []
    for kind, query, person, at, number in (
        ("photo", _verdicts(), reviews.c.reviewer, reviews.c.created_at, reviews.c.id),
        ("return", _decisions(), return_decisions.c.decided_by, return_decisions.c.decided_at, return_decisions.c.id),
    ):
        filtered = query.where(*criteria.of(person, at), *_behind(kind, at, number, after))
        rows = connection.execute(filtered.order_by(at.desc(), number.desc()).limit(size + 1)).mappings()
        found += [{**dict.fromkeys(AUDIT_COLUMNS), "kind": kind, **row} for row in rows]
    found.sort(key=_key_of, reverse=True)
    shown = found[:size]
    return AuditPage(shown, _key_of(shown[-1]) if len(found) > size else None)


def all_people(connection: Connection) -> list[str]:
    """Return the names of all who decided something, in their order.

    The names are looked up one after the other in an index: DISTINCT would read all of a million decisions.
    """
    names: set[str] = set()
    for column in (reviews.c.reviewer, return_decisions.c.decided_by):
        last = ""
        for _ in range(_MOST_PEOPLE):
            name = connection.execute(select(func.min(column)).where(column > last)).scalar()
            if name is None:
                break
            names.add(name)
            last = name
    return sorted(names, key=str.casefold)


def _verdicts() -> Select[Any]:
    undo = reviews.alias("undo")
    of = reviews.c
    return select(
        of.created_at.label("at"),
        of.reviewer.label("person"),
        of.id,
        of.verdict.label("decision"),
        of.photo_id,
        photos.c.filename,
        func.nullif(photos.c.return_id, "").label("return_id"),
        of.from_class.label("from_category"),
        of.to_class.label("to_category"),
        of.note,
        of.undoes.label("takes_back"),
        exists().where(undo.c.undoes == of.id).label("taken_back"),
    ).join(photos, photos.c.id == of.photo_id)


def _decisions() -> Select[Any]:
    undo = return_decisions.alias("undo")
    of = return_decisions.c
    return select(
        of.decided_at.label("at"),
        of.decided_by.label("person"),
        of.id,
        of.decision,
        case((of.return_key.startswith("r:"), func.substr(of.return_key, 3)), else_=of.return_key).label("return_id"),
        of.reason,
        of.note,
        of.undoes.label("takes_back"),
        exists().where(undo.c.undoes == of.id).label("taken_back"),
    )


def _behind(kind: str, at: Column[Any], number: Column[Any], after: Key | None) -> Iterator[ColumnElement[bool]]:
    """Yield the condition that a row of this kind comes behind a key; decisions are ordered by time, kind and id."""
    if after is None:
        return
    moment, last_kind, last_number = after
    yield at <= moment
    if kind == last_kind:
        yield or_(at < moment, and_(at == moment, number < last_number))
    elif kind > last_kind:
        yield at < moment


def _key_of(row: dict[str, Any]) -> Key:
    return row["at"], row["kind"], row["id"]
