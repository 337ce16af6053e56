"""The runs of the batch client: who counted what, and when."""

import os
import socket
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, and_, false, func, insert, select, update

from results.schema import run_notes, runs
from results.sql import now


@dataclass(frozen=True)
class Counts:
    """Where the photos of a run went; ``found`` is their sum, always."""

    classified: int = 0
    known: int = 0
    failed: int = 0
    left: int = 0

    @property
    def found(self) -> int:
        """Every photo that the run saw."""
        return self.classified + self.known + self.failed + self.left

    def plus(self, **more: int) -> "Counts":
        """Return the counts with some of them raised."""
        return replace(self, **{name: getattr(self, name) + value for name, value in more.items()})


def start_run(connection: Connection, source: str, shard: str = "", total: int | None = None) -> int:
    """Record that a run begins, and return its id.

    Args:
        connection: in a transaction.
        source: its name.
        shard: the share of it that the run takes.
        total: files that the run will meet, if they were counted.
    """
    process = {"host": socket.gethostname(), "pid": os.getpid()}
    values = {"started_at": now(), "status": "running", "source": source, "shard": shard, "total": total}
    return int(connection.execute(insert(runs).values(**values, **process).returning(runs.c.id)).scalar_one())


def set_versions(connection: Connection, run: int, model_version: str, contract_version: str) -> None:
    """Record which model answers this run."""
    values = {"model_version": model_version, "contract_version": contract_version}
    connection.execute(update(runs).where(runs.c.id == run).values(**values))


def set_counts(connection: Connection, run: int, counts: Counts) -> None:
    """Record how far a run has come; belongs into the transaction that stores what it counts."""
    connection.execute(update(runs).where(runs.c.id == run).values(found=counts.found, **asdict(counts)))


def finish_run(
    connection: Connection, run: int, status: str, exit_code: int, counts: Counts, message: str | None
) -> None:
    """Record a run's end.

    Args:
        connection: in a transaction.
        run: its id.
        status: ``finished`` when every photo had its turn, else ``stopped``.
        exit_code: of the program.
        counts: of the whole run.
        message: why it stopped early.
    """
    set_counts(connection, run, counts)
    values = {"finished_at": now(), "status": status, "exit_code": exit_code, "message": message}
    connection.execute(update(runs).where(runs.c.id == run).values(**values))


def store_notes(connection: Connection, run_id: int, notes: Sequence[tuple[str, str]]) -> None:
    """Record what a run has to say besides its counts: pairs of kind and message."""
    rows = [
        {"run_id": run_id, "number": number, "kind": kind, "message": message.replace("\0", "\\0")}
        for number, (kind, message) in enumerate(notes)
    ]
    if rows:
        connection.execute(insert(run_notes), rows)


def notes_of_run(connection: Connection, run_id: int) -> list[dict[str, str]]:
    """Return what a run has to say besides its counts: ``kind`` (``warning``, ``manifest``, ``left``, ``ignored``) and
    ``message``."""
    query = select(run_notes.c.kind, run_notes.c.message).where(run_notes.c.run_id == run_id)
    return [dict(row) for row in connection.execute(query.order_by(run_notes.c.number)).mappings()]


def newest_found(connection: Connection, source: str, shard: str, limit: int) -> list[int]:
    """Return how many photos the newest finished runs over a source found, the newest first."""
    of_source = and_(runs.c.source == source, runs.c.shard == shard, runs.c.status == "finished")
    query = select(runs.c.found).where(of_source).order_by(runs.c.id.desc()).limit(limit)
    return list(connection.execute(query).scalars())


def close_interrupted(connection: Connection, shard: str = "") -> list[int]:
    """Close the runs that were killed; only for whoever holds the lock of the shard. Returns their ids.

    With that lock nobody works on the whole or on shards of another COUNT: of those that are not closed, only other
    shards of the same COUNT can be alive.
    """
    others = and_(runs.c.shard != shard, runs.c.shard.endswith(f"/{shard.partition('/')[2]}")) if shard else false()
    result = connection.execute(
        update(runs)
        .where(runs.c.status == "running", ~others)
        .values(status="interrupted", finished_at=now(), message="the batch client ended before it could close the run")
        .returning(runs.c.id)
    )
    return sorted(result.scalars())


def has_found_any(connection: Connection, source: str) -> bool:
    """Tell whether any run has found a photo in a source."""
    found = select(runs.c.id).where(runs.c.source == source, runs.c.found > 0).limit(1)
    return connection.execute(found).first() is not None


def last_started(connection: Connection, source: str, shard: str, not_done: Collection[int]) -> str | None:
    """Return when the newest run over a source started that counts as done; None if there was none.

    Args:
        connection: for reading.
        source: its name.
        shard: the share of it; a run over the whole counts as well.
        not_done: exit codes of runs that do not count; a run that was killed has no exit code and does not count.
    """
    done = and_(runs.c.source == source, runs.c.shard.in_(("", shard)), runs.c.exit_code.not_in(not_done))
    return connection.execute(select(func.max(runs.c.started_at)).where(done)).scalar()


def list_runs(connection: Connection, limit: int | None) -> list[dict[str, Any]]:
    """Return the newest runs, or all, newest first."""
    query = select(runs).order_by(runs.c.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def find_run(connection: Connection, run: int) -> dict[str, Any] | None:
    """Return one run; None if there is none of this id."""
    row = connection.execute(select(runs).where(runs.c.id == run)).mappings().first()
    return dict(row) if row is not None else None
