"""When the schedule of the batch client starts its next run, so that the desk notices a missed night."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, exists, func, select

from results.schema import planned_runs, runs
from results.sql import insert_into, now, to_text

_GRACE = timedelta(hours=1)  # for a machine that starts late, or a run that waits for another one
_FORGOTTEN = timedelta(days=14)  # a schedule that nobody started for so long was given up
_DAILY = timedelta(hours=26)  # between two nightly runs, also when the clock changes
_plan = planned_runs.c


@dataclass(frozen=True)
class MissedNight:
    """A run that did not start.

    Attributes:
        source: of the run; None if no schedule said when it was due.
        due_at: when it was due, or when the last run started; ISO 8601 in UTC.
    """

    source: str | None
    due_at: str


def note_due(connection: Connection, source: str, shard: str, due: datetime) -> None:
    """Record when the next run over a source is due.

    Args:
        connection: in a transaction.
        source: its name.
        shard: the share of it.
        due: time-zone-aware.
    """
    row = {"source": source, "shard": shard, "due_at": to_text(due), "noted_at": now()}
    new = insert_into(connection.dialect.name, planned_runs).values(**row)
    values = {name: new.excluded[name] for name in ("due_at", "noted_at")}
    connection.execute(new.on_conflict_do_update(index_elements=["source", "shard"], set_=values))


def find_missed_night(connection: Connection, moment: datetime) -> MissedNight | None:
    """Return the run that was due first and did not start; None if none is missing.

    Without a schedule that says when runs are due, a run is missing if the newest one started more than 26 hours ago.

    Args:
        connection: for reading.
        moment: the present time, with its zone.
    """
    planned = _plan.noted_at > to_text(moment - _FORGOTTEN)
    has_started = exists().where(runs.c.source == _plan.source, runs.c.started_at >= _plan.due_at)
    query = select(_plan.source, _plan.due_at).where(planned, _plan.due_at < to_text(moment - _GRACE), ~has_started)
    row = connection.execute(query.order_by(_plan.due_at).limit(1)).first()
    if row is not None:
        return MissedNight(row.source, row.due_at)
    if connection.execute(select(_plan.source).where(planned).limit(1)).first() is not None:
        return None
    last = connection.execute(select(func.max(runs.c.started_at))).scalar()
    return MissedNight(None, last) if last is not None and last < to_text(moment - _DAILY) else None
