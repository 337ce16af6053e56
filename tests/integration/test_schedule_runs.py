"""One run at a time, at each tick, however long it takes and however it ends."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise, repeat

import pytest

from batch_client.schedule.loop import run_forever
from batch_client.schedule.times import Schedule
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

    def __call__(self) -> int:
        began = time.time()
        time.sleep(self.seconds(len(self.spans)))
        self.spans.append((began, time.time()))
        if len(self.spans) == self.runs:
            self.stopped.set()
        return 0

    def run(self, schedule: Schedule, last_started: datetime | None = None, give_up_after: float = 20) -> None:
        timer = threading.Timer(give_up_after, self.stopped.set)
        timer.start()
        run_forever(schedule, self, lambda: last_started, self.stopped)
        timer.cancel()
        timer.join()


class FakeClock(threading.Event):
    """A clock on which waiting takes no time; the event of a schedule, which is set at ``end``."""

    def __init__(self, start: str, end: str) -> None:
        super().__init__()
        self.time = datetime.fromisoformat(start)
        self.end = datetime.fromisoformat(end)
        self.after_wait: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.time

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.time += timedelta(seconds=timeout)
        self.after_wait()
        if self.time >= self.end:
            self.set()
        return self.is_set()


def runs_on(clock: FakeClock, line: str, codes: Iterator[int]) -> list[str]:
    """Return when a schedule in UTC runs, each run of one minute and with the next of the exit codes."""
    started: list[str] = []

    def run_once() -> int:
        started.append(f"{clock.time:%m-%d %H:%M}")
        clock.time += timedelta(minutes=1)
        code = next(codes)
        if code == 75:
            raise SystemExit(code)
        return code

    run_forever(Schedule.parse(line, "UTC"), run_once, lambda: None, clock, clock=clock.now)
    return started


class TestAFailedNight:
    @pytest.mark.parametrize("code", [3, 5, 75])
    def test_is_tried_again_after_5_15_and_60_minutes_until_the_next_night(self, code: int) -> None:
        clock = FakeClock("2026-11-23T12:00:00Z", "2026-11-25T03:00:00Z")
        started = runs_on(clock, "0 2 * * *", repeat(code))
        assert started[:5] == ["11-24 02:00", "11-24 02:06", "11-24 02:22", "11-24 03:23", "11-24 04:24"]
        assert started[-4:] == ["11-25 01:45", "11-25 02:00", "11-25 02:06", "11-25 02:22"]

    def test_that_succeeds_in_the_end_is_over(self) -> None:
        clock = FakeClock("2026-11-23T12:00:00Z", "2026-11-25T03:00:00Z")
        assert runs_on(clock, "0 2 * * *", chain([3, 75], repeat(0))) == [
            "11-24 02:00", "11-24 02:06", "11-24 02:22", "11-25 02:00",
        ]  # fmt: skip

    @pytest.mark.parametrize("code", [0, 1, 2, 4, 6, 130])
    def test_what_does_not_pass_by_itself_waits_for_the_next_night(self, code: int) -> None:
        clock = FakeClock("2026-11-23T12:00:00Z", "2026-11-26T03:00:00Z")
        assert runs_on(clock, "0 2 * * *", repeat(code)) == ["11-24 02:00", "11-25 02:00", "11-26 02:00"]

    def test_never_holds_up_a_schedule_that_comes_more_often(self) -> None:
        clock = FakeClock("2026-11-23T12:00:00Z", "2026-11-23T12:10:00Z")
        assert runs_on(clock, "*/4 * * * *", repeat(3)) == ["11-23 12:04", "11-23 12:08"]


class TestAClockThatIsSetRight:
    @pytest.mark.parametrize("during_a_run", [False, True])
    def test_after_a_year_ahead_the_next_night_comes_tonight(self, during_a_run: bool) -> None:
        clock = FakeClock("2027-11-28T01:30:00Z", "2028-01-01T00:00:00Z")
        codes = iter([0, 0, 0])

        def set_right() -> None:
            clock.time, clock.end = (
                datetime.fromisoformat("2026-11-28T02:30:00Z"),
                datetime(2026, 11, 29, 3, tzinfo=UTC),
            )
            clock.after_wait = lambda: None

        def exit_codes() -> Iterator[int]:
            if during_a_run:
                set_right()
            yield from codes

        def look() -> None:
            if not during_a_run and clock.time.hour == 3:
                set_right()

        clock.after_wait = look
        assert runs_on(clock, "0 2 * * *", exit_codes()) == ["11-28 02:00", "11-29 02:00"]

    def test_by_an_hour_no_run_comes_twice(self) -> None:
        clock = FakeClock("2026-11-28T01:30:00Z", "2026-11-29T03:00:00Z")

        def look() -> None:
            if clock.time.hour == 2:
                clock.time -= timedelta(hours=1)
                clock.after_wait = lambda: None

        codes = iter([0, 0])
        clock.after_wait = lambda: None
        started: list[str] = []

        def run_once() -> int:
            started.append(f"{clock.time:%m-%d %H:%M}")
            clock.after_wait = look
            clock.time += timedelta(minutes=1)
            return next(codes)

        run_forever(Schedule.parse("0 2 * * *", "UTC"), run_once, lambda: None, clock, clock=clock.now)
        assert started == ["11-28 02:00", "11-29 02:00"]


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
        job.run(half_a_day_away(), None if ago is None else datetime.now(UTC) - ago, give_up_after=0.2)
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

        def run_once() -> int:
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
        ("/inbox", "1/2", 3, False),  # a restarted schedule tries such a night again
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
        assert (runs.last_started(connection, "/inbox", "1/2", (130, 3, 5)) is not None) is counts


def test_it_says_when_each_run_is_due() -> None:
    clock = FakeClock("2026-11-28T00:00:00+00:00", "2026-11-29T12:00:00+00:00")
    due: list[datetime] = []
    run_forever(
        Schedule.parse("0 2 * * *", "UTC"), lambda: 0, lambda: None, clock, clock=clock.now, note_due=due.append
    )
    assert due == [datetime(2026, 11, day, 2, 0, tzinfo=UTC) for day in (28, 29, 30)]
