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
    """One run or the runs of one night, and what waits after them.

    Attributes:
        run_ids: the runs.
        cleared: returns of the runs that are cleared.
        hold: returns of the runs that a person held.
        open: returns of the runs that wait for a person.
        waiting: returns of all nights that wait for a person.
        oldest: the one of them that waits longest; None if none waits.
        mismatches: photos of the runs that are not what was ordered.
        pairs: the most frequent mismatches.
        exact_repeats: photos of the runs with the same bytes as an earlier one.
        near_repeats: photos of the runs with the same picture as an earlier one.
        failed: photos that newly failed.
        left: photos that the runs did not get to.
        manifest_problems: what is wrong with the manifest.
        warnings: what else needs a person.
    """

    run_ids: tuple[int, ...]
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


def summarize(connection: Connection, *of_night: dict[str, Any]) -> MorningSummary:
    """Summarize runs as their returns stand now, and what waits now.

    Args:
        connection: for reading.
        *of_night: the columns of each run.
    """
    run_ids = tuple(run["id"] for run in of_night)
    decided = count_by_decision(connection, ReturnCriteria(run_ids=run_ids))
    notes = [note for run_id in run_ids for note in runs.notes_of_run(connection, run_id)]
    pairs = mismatches_by_pair(connection, run_ids, _PAIRS)
    repeats = [reporting.count_repeats(connection, run_id) for run_id in run_ids]
    return MorningSummary(
        run_ids=run_ids,
        cleared=decided["cleared"],
        hold=decided["hold"],
        open=decided["open"],
        waiting=count_by_decision(connection, ReturnCriteria("open"))["open"],
        oldest=find_oldest(connection),
        mismatches=sum(reporting.count_mismatches(connection, run_id) for run_id in run_ids),
        pairs=tuple(_pair(row) for row in pairs),
        exact_repeats=sum(counted["exact"] for counted in repeats),
        near_repeats=sum(counted["near"] for counted in repeats),
        failed=sum(run["failed"] for run in of_night),
        left=sum(run["left"] for run in of_night),
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
