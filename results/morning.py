"""What a lead wants to know in the morning: what became of the returns, what waits for a person, what went wrong.

Terminal, log, reports, mail, webhook and the first page of the desk show the same numbers, so they are made here.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from results import reporting, runs
from results.orders import SEPARATOR
from results.return_lists import ReturnCriteria, count_by_decision, mismatches_by_pair, oldest_open

_PAIRS = 10


@dataclass(frozen=True)
class OldestReturn:
    """The return that waits longest for a person.

    Attributes:
        return_key: of the return.
        return_id: its id; None for a photo without a return.
        reason: why it waits.
        since: when its first photo came, ISO 8601 in UTC.
    """

    return_key: str
    return_id: str | None
    reason: str | None
    since: str

    def days(self, moment: datetime) -> int:
        """Return for how many whole days it has waited at a time-zone-aware moment."""
        return max(0, (moment - datetime.fromisoformat(self.since)).days)


@dataclass(frozen=True)
class MismatchPair:
    """How many photos of a run look like another category than was ordered."""

    ordered: str
    looks_like: str
    photos: int


@dataclass(frozen=True)
class MorningSummary:
    """One run, and what waits after it.

    Attributes:
        run_id: the run.
        cleared: returns of the run that are cleared.
        hold: returns of the run that a person held.
        open: returns of the run that wait for a person.
        waiting: returns of all runs that wait for a person.
        oldest: the one of them that waits longest; None if none waits.
        mismatches: photos of the run that are not what was ordered.
        pairs: the most frequent mismatches.
        exact_repeats: photos of the run with the same bytes as an earlier one.
        near_repeats: photos of the run with the same picture as an earlier one.
        failed: photos of the run that newly failed.
        left: photos that the run did not get to.
        manifest_problems: what is wrong with the manifest.
        warnings: what else needs a person.
    """

    run_id: int
    cleared: int
    hold: int
    open: int
    waiting: int
    oldest: OldestReturn | None
    mismatches: int
    pairs: tuple[MismatchPair, ...]
    exact_repeats: int
    near_repeats: int
    failed: int
    left: int
    manifest_problems: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as it stands in JSON."""
        return asdict(self)


def summarize(connection: Connection, run: dict[str, Any]) -> MorningSummary:
    """Summarize a run as its returns stand now, and what waits now.

    Args:
        connection: for reading.
        run: columns of the run.
    """
    run_id = run["id"]
    of_run = count_by_decision(connection, ReturnCriteria(run_id=run_id))
    notes = runs.notes_of_run(connection, run_id)
    pairs = mismatches_by_pair(connection, run_id, _PAIRS)
    repeats = reporting.count_repeats(connection, run_id)
    return MorningSummary(
        run_id=run_id,
        cleared=of_run["cleared"],
        hold=of_run["hold"],
        open=of_run["open"],
        waiting=count_by_decision(connection, ReturnCriteria("open"))["open"],
        oldest=find_oldest(connection),
        mismatches=reporting.count_mismatches(connection, run_id),
        pairs=tuple(_pair(row) for row in pairs),
        exact_repeats=repeats["exact"],
        near_repeats=repeats["near"],
        failed=run["failed"],
        left=run["left"],
        manifest_problems=_messages(notes, "manifest"),
        warnings=_messages(notes, "warning"),
    )


def find_oldest(connection: Connection) -> OldestReturn | None:
    """Return the return that waits longest for a person; None if none waits."""
    row = oldest_open(connection)
    if row is None:
        return None
    return OldestReturn(row["return_key"], row["return_id"], row["reason"], row["first_seen"])


def _pair(row: dict[str, Any]) -> MismatchPair:
    return MismatchPair(row["ordered"].replace(SEPARATOR, " or "), row["predicted_class"], row["photos"])


def _messages(notes: Sequence[dict[str, str]], kind: str) -> tuple[str, ...]:
    return tuple(note["message"] for note in notes if note["kind"] == kind)
