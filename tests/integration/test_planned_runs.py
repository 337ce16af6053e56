"""A night that did not happen is noticed, with a schedule and without one."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from results import planned_runs, runs, schema
from results.database import Database
from results.planned_runs import MissedNight, find_missed_night
from results.runs import Counts

DUE = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
AT_TWO = "2026-11-28T02:00:00.000Z"


def add_run(database: Database, started_at: str, source: str = "/inbox") -> None:
    with database.writing() as connection:
        run = runs.start_run(connection, source)
        runs.finish_run(connection, run, "finished", 0, Counts(), None)
        connection.execute(update(schema.runs).where(schema.runs.c.id == run).values(started_at=started_at))


def plan(database: Database, due: datetime, source: str = "/inbox") -> None:
    with database.writing() as connection:
        planned_runs.note_due(connection, source, "", due)
        connection.execute(update(schema.planned_runs).values(noted_at="2026-11-27T02:00:01.000Z"))


def missed(database: Database, moment: datetime) -> MissedNight | None:
    with database.reading() as connection:
        return find_missed_night(connection, moment)


def test_a_planned_run_that_did_not_start_is_missed(database: Database) -> None:
    add_run(database, "2026-11-27T02:00:00.100Z")
    plan(database, DUE)
    assert missed(database, DUE + timedelta(minutes=59)) is None
    assert missed(database, DUE + timedelta(minutes=61)) == MissedNight("/inbox", AT_TWO)
    add_run(database, "2026-11-28T02:00:00.100Z", source="/elsewhere")
    assert missed(database, DUE + timedelta(hours=6)) == MissedNight("/inbox", AT_TWO)
    add_run(database, "2026-11-28T02:00:00.100Z")
    assert missed(database, DUE + timedelta(hours=6)) is None


def test_a_schedule_that_runs_on_sundays_misses_no_other_day(database: Database) -> None:
    add_run(database, "2026-11-22T02:00:00.100Z")
    plan(database, datetime(2026, 11, 29, 2, 0, tzinfo=UTC))
    assert missed(database, DUE + timedelta(hours=6)) is None


def test_a_schedule_that_was_given_up_is_forgotten(database: Database) -> None:
    plan(database, DUE, "/old")
    assert missed(database, DUE + timedelta(days=20)) is None


@pytest.mark.parametrize(
    ("started", "found"), [("2026-11-27T05:00:00.000Z", False), ("2026-11-26T02:00:00.000Z", True)]
)
def test_without_a_schedule_a_day_without_a_run_is_missed(database: Database, started: str, found: bool) -> None:
    assert missed(database, DUE) is None, "before the first run nothing is missed"
    add_run(database, started)
    assert missed(database, DUE) == (MissedNight(None, started) if found else None)
