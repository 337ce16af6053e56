"""Decisions that the shop's system has to hear of: written with the decision, delivered later, kept until confirmed."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from results.schema import RETURN_COUNTS, outbox
from results.sql import now, to_text

_PAYLOAD = ("return_id", "ordered", *RETURN_COUNTS, "final_decision", "reason", "decided_by", "decided_at", "note")
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=6)


@dataclass(frozen=True)
class Event:
    """A decision to deliver.

    Attributes:
        id: of the row.
        event_id: names the event for the receiver, who can tell a repeated delivery by it.
        payload: the body, JSON.
        attempts: deliveries that failed.
    """

    id: int
    event_id: str
    payload: str
    attempts: int


def note(connection: Connection, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
    """Write an event if the final decision of a return changed, unless it is still open.

    Nothing is written for a database that was opened without ``records_events``.
    """
    if not connection.get_execution_options().get("records_events", False):
        return
    was = before["final_decision"] if before is not None else "open"
    if was == after["final_decision"]:
        return
    event_id = str(uuid.uuid4())
    body = {
        "event_id": event_id,
        "event": "return.decided" if after["final_decision"] != "open" else "return.reopened",
        "created_at": after["changed_at"],
        "return_key": after["return_key"],
        **{name: after.get(name) for name in _PAYLOAD},
    }
    row = {"return_key": after["return_key"], "created_at": after["changed_at"], "next_attempt_at": after["changed_at"]}
    payload = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    connection.execute(insert(outbox).values(event_id=event_id, payload=payload, **row))


def due(connection: Connection, most: int) -> list[Event]:
    """Return the events whose next attempt is due, oldest first."""
    query = select(outbox.c.id, outbox.c.event_id, outbox.c.payload, outbox.c.attempts)
    query = query.where(outbox.c.next_attempt_at <= now()).order_by(outbox.c.next_attempt_at, outbox.c.id).limit(most)
    return [Event(*row) for row in connection.execute(query)]


def confirm(connection: Connection, event: Event) -> None:
    """Remove an event that the receiver confirmed."""
    connection.execute(delete(outbox).where(outbox.c.id == event.id))


def postpone(connection: Connection, event: Event, error: str) -> None:
    """Note a failed delivery; the pause before the next attempt doubles, up to six hours."""
    pause = min(_FIRST_PAUSE * 2 ** min(event.attempts, 20), _LONGEST_PAUSE)
    values = {
        "attempts": event.attempts + 1,
        "next_attempt_at": to_text(datetime.now(UTC) + pause),
        "last_error": error[:500],
    }
    connection.execute(update(outbox).where(outbox.c.id == event.id).values(**values))


def count_waiting(connection: Connection) -> int:
    """Count the events that nobody confirmed yet."""
    return int(connection.execute(select(func.count()).select_from(outbox)).scalar_one())
