"""What people write and mark on returns: notes, a flag, and a question to the lead. Rows are only ever added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, delete, exists, insert, select

from results.schema import return_decisions, return_events
from results.sql import now

Kind = Literal["note", "flagged", "unflagged", "asked", "withdrawn"]
_event = return_events.c
_undo = return_decisions.alias("undo")


@dataclass
class Marks:
    """What is marked on a return.

    Attributes:
        flagged: 1 if a person marked it and nobody took the mark away.
        asked_by: who asked the lead about it. A decision or ``withdrawn`` after the question answers it.
        asked_at: when.
        note: the newest text.
        note_at: when it was written.
    """

    flagged: int = 0
    asked_by: str | None = None
    asked_at: str | None = None
    note: str | None = None
    note_at: str | None = None


def add_event(connection: Connection, key: str, kind: Kind, person: str, text: str | None = None) -> int:
    """Store an event of a return and return its id; the caller refreshes the return."""
    values = {"return_key": key, "kind": kind, "text": text, "person": person, "created_at": now()}
    return int(connection.execute(insert(return_events).values(**values).returning(_event.id)).scalar_one())


def events_of(connection: Connection, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return the events of these returns, oldest first."""
    query = select(return_events).where(_event.return_key.in_(keys)).order_by(_event.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def marks_of(connection: Connection, keys: Sequence[str]) -> dict[str, Marks]:
    """Return the marks on each of these returns."""
    marks = {key: Marks() for key in keys}
    for row in events_of(connection, keys):
        mark = marks[row["return_key"]]
        if row["kind"] in ("flagged", "unflagged"):
            mark.flagged = int(row["kind"] == "flagged")
        elif row["kind"] == "asked":
            mark.asked_by, mark.asked_at = row["person"], row["created_at"]
        elif row["kind"] == "withdrawn":
            mark.asked_by = mark.asked_at = None
        if row["text"]:
            mark.note, mark.note_at = row["text"], row["created_at"]
    asked = [key for key, mark in marks.items() if mark.asked_at is not None]
    answers = select(return_decisions.c.return_key, return_decisions.c.decided_at).where(
        return_decisions.c.return_key.in_(asked),
        return_decisions.c.decision != "undone",
        ~exists().where(_undo.c.undoes == return_decisions.c.id),
    )
    for key, decided_at in connection.execute(answers) if asked else ():
        mark = marks[key]
        if mark.asked_at is not None and decided_at >= mark.asked_at:
            mark.asked_by = mark.asked_at = None
    return marks


def add_marks(state: Mapping[str, Any], marks: Marks) -> dict[str, Any]:
    """Return a return's state with its marks; the note is the newest text, of the decision or of an event."""
    is_newer = marks.note_at is not None and (state["note"] is None or marks.note_at > state["decided_at"])
    return {
        **state,
        "note": marks.note if is_newer else state["note"],
        "flagged": marks.flagged,
        "asked_by": marks.asked_by,
        "asked_at": marks.asked_at,
    }


def forget(connection: Connection, keys: Sequence[str]) -> None:
    """Remove the events of returns that were purged."""
    connection.execute(delete(return_events).where(_event.return_key.in_(keys)))
