"""One run at a time, at each tick, however long it takes and however it ends."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from batch_client.schedule.loop import Schedule, run_forever
from results import runs
from results.database import Database
from results.runs import Counts

PERIOD = 0.1  # seconds


class Often(Schedule):
    """Ticks ten times a second, which no crontab can say."""

    def next_after(self, moment: datetime) -> datetime:
        return datetime.fromtimestamp((moment.timestamp() // PERIOD + 1) * PERIOD, UTC)


class Job:
    """A run that notes when it began and ended, and stops the schedule after some."""

    def __init__(self, runs: int, seconds: Callable[[int], float] = lambda run: 0) -> None:
        self.runs = runs
        self.seconds = seconds
        self.spans: list[tuple[float, float]] = []
        self.stopped = threading.Event()

    def __call__(self) -> None:
        began = time.time()
        time.sleep(self.seconds(len(self.spans)))
        self.spans.append((began, time.time()))
        if len(self.spans) == self.runs:
            self.stopped.set()

    def run(self, schedule: Schedule, last_started: datetime | None = None, give_up_after: float = 20) -> None:
        timer = threading.Timer(give_up_after, self.stopped.set)
        timer.start()
        run_forever(schedule, self, lambda: last_started, self.stopped)
        timer.cancel()
        timer.join()


def half_a_day_away() -> Schedule:
    """Return a daily schedule whose next tick no test will live to see."""
    hour = (datetime.now(UTC).hour + 12) % 24
    return Schedule.parse(f"0 {hour} * * *", "UTC")


class TestRunForever:
    def test_runs_never_overlap(self) -> None:
        job = Job(4, seconds=lambda run: 1.5 * PERIOD)
        job.run(Often.parse("* * * * *", "UTC"))
        assert len(job.spans) == 4
        assert all(after[0] >= before[1] for before, after in pairwise(job.spans))

    def test_ticks_that_come_during_a_run_are_one_more_run(self) -> None:
        ticks: list[float] = []

        class Noted(Often):
            def next_after(self, moment: datetime) -> datetime:
                tick = super().next_after(moment)
                ticks.append(tick.timestamp())
                return tick

        job = Job(3, seconds=lambda run: 6 * PERIOD if run == 0 else 0)
        job.run(Noted.parse("* * * * *", "UTC"))
        long_run = job.spans[0]
        assert long_run[0] < ticks[1] < long_run[1]  # made up for by the second run
        assert ticks[2] > long_run[1]  # the others of that time are not

    def test_missed_nights_are_caught_up_once(self) -> None:
        job = Job(2)
        job.run(half_a_day_away(), datetime.now(UTC) - timedelta(days=10), give_up_after=0.3)
        assert len(job.spans) == 1

    @pytest.mark.parametrize("ago", [None, timedelta(hours=1)])
    def test_nothing_is_caught_up_where_nothing_was_missed(self, ago: timedelta | None) -> None:
        job = Job(1)
        job.run(half_a_day_away(), ago and datetime.now(UTC) - ago, give_up_after=0.2)
        assert job.spans == []

    def test_a_run_that_a_fast_clock_dated_holds_nothing_up(self) -> None:
        job = Job(1)
        job.run(Often.parse("* * * * *", "UTC"), datetime.now(UTC) + timedelta(days=1), give_up_after=5)
        assert len(job.spans) == 1

    def test_it_stops_promptly(self) -> None:
        began = time.monotonic()
        Job(1).run(half_a_day_away(), give_up_after=0.1)
        assert time.monotonic() - began < 5

    def test_a_run_that_goes_on_is_waited_for(self) -> None:
        job = Job(9, seconds=lambda run: 0.3)
        job.run(half_a_day_away(), datetime.now(UTC) - timedelta(days=10), give_up_after=0.1)
        assert len(job.spans) == 1
        assert time.time() >= job.spans[0][1]

    @pytest.mark.parametrize("fault", [RuntimeError("the disk is full"), SystemExit(75)])
    def test_a_run_that_fails_does_not_end_the_schedule(
        self, fault: BaseException, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logging.getLogger("batch_client"), "propagate", True)
        attempts, stopped = [], threading.Event()

        def run_once() -> None:
            attempts.append(1)
            if len(attempts) == 3:
                stopped.set()
            raise fault

        with caplog.at_level(logging.INFO, "batch_client"):
            run_forever(Often.parse("* * * * *", "UTC"), run_once, lambda: None, stopped)
        assert len(attempts) == 3
        assert caplog.text.count("the schedule goes on") == 3
        assert "the disk is full" in caplog.text or "exit code 75" in caplog.text


@pytest.mark.parametrize(
    ("source", "shard", "exit_code", "counts"),
    [
        ("/inbox", "1/2", 4, True),
        ("/inbox", "", 0, True),
        ("/inbox", "0/2", 0, False),
        ("/elsewhere", "1/2", 0, False),
        ("/inbox", "1/2", 130, False),
        ("/inbox", "1/2", None, False),
    ],
)
def test_only_a_run_that_did_this_work_counts(
    database: Database, source: str, shard: str, exit_code: int | None, counts: bool
) -> None:
    with database.writing() as connection:
        run = runs.start_run(connection, source, shard)
        if exit_code is not None:
            runs.finish_run(connection, run, "finished", exit_code, Counts(), None)
    with database.reading() as connection:
        assert (runs.last_started(connection, "/inbox", "1/2", 130) is not None) is counts
