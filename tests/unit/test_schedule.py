"""When runs are due, and that they come once each."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_client.schedule import times
from batch_client.schedule.times import CRONTAB, Schedule, read_crontab
from results import runs
from results.database import Database
from results.runs import Counts

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)


def walk(schedule: Schedule, start: datetime, count: int) -> list[datetime]:
    """Return the first ticks after a moment."""
    ticks: list[datetime] = []
    for _ in range(count):
        ticks.append(schedule.next_after(ticks[-1] if ticks else start))
    return ticks


def weekdays(day_of_week: str) -> str:
    """Return the days on which a field lets runs happen, from Monday on."""
    week = walk(Schedule.parse(f"0 0 * * {day_of_week}", "UTC"), MONDAY - timedelta(days=1), 8)
    return " ".join(f"{tick:%a}" for tick in week if tick < MONDAY + timedelta(days=6))


class TestLines:
    def test_the_shipped_crontab_is_two_at_night(self) -> None:
        line = read_crontab(CRONTAB)
        assert line == "0 2 * * *"
        assert walk(Schedule.parse(line, "Europe/Berlin"), MONDAY, 2) == [
            datetime(2026, 11, 24, 1, tzinfo=UTC),
            datetime(2026, 11, 25, 1, tzinfo=UTC),
        ]

    @pytest.mark.parametrize(
        ("field", "days"),
        [
            ("0", "Sun"),
            ("7", "Sun"),
            ("SUN", "Sun"),
            ("1", "Mon"),
            ("6", "Sat"),
            ("1-5", "Mon Tue Wed Thu Fri"),
            ("mon-fri/2", "Mon Wed Fri"),
            ("5-7", "Fri Sat Sun"),
            ("sat,sun,mon", "Mon Sat Sun"),
            ("5L", "Fri"),
            ("0-7", "Mon Tue Wed Thu Fri Sat Sun"),
            ("*/2", "Tue Thu Sat Sun"),
            ("1/2", "Mon Wed Fri Sun"),  # up to 7, as in cron
            ("tue,4,6-7", "Tue Thu Sat Sun"),
        ],
    )
    def test_days_of_the_week_are_those_of_cron(self, field: str, days: str) -> None:
        assert weekdays(field) == days

    def test_seven_is_sunday_in_every_minute_of_it(self) -> None:
        every_minute = Schedule.parse("* * * * 7", "UTC")
        sunday = datetime(2026, 11, 29, tzinfo=UTC)
        assert walk(every_minute, MONDAY, 2) == [sunday, sunday + timedelta(minutes=1)]
        assert every_minute.next_after(sunday + timedelta(hours=23, minutes=59)) == sunday + timedelta(days=7)

    def test_months_have_names_and_every_field_takes_lists(self) -> None:
        winter_nights = Schedule.parse("30 1,22 1 nov-dec,jan,feb *", "UTC")
        assert [f"{tick:%m-%d %H:%M}" for tick in walk(winter_nights, MONDAY, 5)] == [
            "12-01 01:30", "12-01 22:30", "01-01 01:30", "01-01 22:30", "02-01 01:30",
        ]  # fmt: skip

    def test_either_day_counts_where_both_are_restricted(self) -> None:
        ticks = walk(Schedule.parse("0 2 25,30 * fri", "UTC"), MONDAY, 5)
        assert [f"{tick:%a %d}" for tick in ticks] == ["Wed 25", "Fri 27", "Mon 30", "Fri 04", "Fri 11"]

    def test_a_date_that_never_comes_leaves_the_day_of_the_week(self) -> None:
        ticks = walk(Schedule.parse("0 2 30 2 fri", "UTC"), MONDAY, 2)
        assert [f"{tick:%a %m-%d}" for tick in ticks] == ["Fri 02-05", "Fri 02-12"]

    @pytest.mark.parametrize("line", ["0 2 */2 * fri", "0 2 */2 * 5"])
    def test_both_days_must_match_where_one_begins_with_a_star(self, line: str) -> None:
        ticks = walk(Schedule.parse(line, "UTC"), MONDAY, 3)
        assert [f"{tick:%a %d}" for tick in ticks] == ["Fri 27", "Fri 11", "Fri 25"]

    @pytest.mark.parametrize(
        ("line", "named"),
        [
            ("60 2 * * *", "minute: '60'"),
            ("0 24 * * *", "hour: '24'"),
            ("0 2 0 * *", "day of month: '0'"),
            ("0 2 * 13 *", "month: '13'"),
            ("0 2 * * 8", "day of week: '8'"),
            ("0 2 * * monday", "day of week: 'monday'"),
            ("0 2 * * 5X", "day of week: '5X'"),
            ("0 2 * * fri-mon", "day of week: 'fri-mon'"),
            ("30 22-1 * * *", "hour: '22-1'"),
            ("0 2 last * *", "day of month: 'last'"),
            ("0 2,, * * *", "hour: '2,,'"),
            ("*/0 2 * * *", "minute: '*/0'"),
            ("0 2 -1 * *", "day of month: '-1'"),
            ("0 ² * * *", "hour: '²'"),
            ("0 2 30 2 *", "day of month: '30'"),
            ("0 2 31 4,jun */2", "day of month: '31'"),
            ("0 2 * *", "4 fields"),
            ("0 0 2 * * *", "6 fields"),
            ("", "0 fields"),
        ],
    )
    def test_a_wrong_line_is_refused_by_the_field(self, line: str, named: str) -> None:
        with pytest.raises(ValueError, match=re.escape(named)):
            Schedule.parse(line, "UTC")

    def test_a_day_that_only_leap_years_have_is_waited_for(self) -> None:
        assert Schedule.parse("0 2 29 2 *", "UTC").next_after(MONDAY) == datetime(2028, 2, 29, 2, tzinfo=UTC)

    @pytest.mark.parametrize("zone", ["Europe/Berln", "../etc/passwd", "Europe", "", "CET-1CEST,M3.5.0"])
    def test_an_unknown_time_zone_is_refused_by_its_variable(self, zone: str) -> None:
        with pytest.raises(ValueError, match=r"^TZ: there is no time zone"):
            Schedule.parse("0 2 * * *", zone)

    def test_without_a_name_the_time_zone_is_the_machines(self) -> None:
        schedule = Schedule.parse("0 2 * * *", None)
        assert f"{schedule.next_after(MONDAY).astimezone():%H:%M}" == "02:00"

    def test_without_a_name_daylight_saving_time_is_the_machines_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A fixed offset, which the C library gives for the present moment, would be an hour off half a year later."""
        berlin = next(path for folder in TZPATH if (path := Path(folder, "Europe", "Berlin")).exists())
        (tmp_path / "localtime").write_bytes(berlin.read_bytes())
        monkeypatch.setattr(times, "_MACHINE_ZONE", tmp_path / "localtime")
        schedule = Schedule.parse("0 2 * * *", None)
        ticks = [schedule.next_after(datetime(2026, month, 5, 12, tzinfo=UTC)) for month in (1, 7)]
        assert [tick.hour for tick in ticks] == [1, 0]
        monkeypatch.setattr(times, "_MACHINE_ZONE", tmp_path / "none")
        assert Schedule.parse("0 2 * * *", None).next_after(MONDAY).hour == 2

    @pytest.mark.parametrize("text", ["# nothing\n\n", "0 2 * * *\n0 3 * * *\n"])
    def test_a_crontab_holds_one_line(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "crontab").write_text(text)
        with pytest.raises(ValueError, match="must hold one line"):
            read_crontab(tmp_path / "crontab")


class TestDaylightSaving:
    @pytest.mark.parametrize(
        ("line", "times"),
        [
            ("30 2 * * *", ["28 02:30+0100", "29 03:00+0200", "30 02:30+0200"]),
            ("0 2 * * *", ["28 02:00+0100", "29 03:00+0200", "30 02:00+0200"]),
            ("0 2,3 * * *", ["28 02:00+0100", "28 03:00+0100", "29 03:00+0200", "30 02:00+0200"]),
            ("30 3 * * *", ["28 03:30+0100", "29 03:30+0200", "30 03:30+0200"]),
        ],
    )
    def test_a_time_that_spring_skips_comes_when_the_clock_jumps(self, line: str, times: list[str]) -> None:
        ticks = walk(Schedule.parse(line, "Europe/Berlin"), datetime(2026, 3, 27, 12, tzinfo=BERLIN), len(times))
        assert [f"{tick.astimezone(BERLIN):%d %H:%M%z}" for tick in ticks] == times

    @pytest.mark.parametrize(
        ("line", "times"),
        [
            ("30 2 * * *", ["24 02:30+0200", "25 02:30+0200", "26 02:30+0100"]),
            ("0 2 * * *", ["24 02:00+0200", "25 02:00+0200", "26 02:00+0100"]),
            ("0 2,3 * * *", ["24 02:00+0200", "24 03:00+0200", "25 02:00+0200", "25 03:00+0100", "26 02:00+0100"]),
        ],
    )
    def test_a_time_that_autumn_repeats_comes_once(self, line: str, times: list[str]) -> None:
        ticks = walk(Schedule.parse(line, "Europe/Berlin"), datetime(2026, 10, 23, 12, tzinfo=BERLIN), len(times))
        assert [f"{tick.astimezone(BERLIN):%d %H:%M%z}" for tick in ticks] == times

    @pytest.mark.parametrize(
        ("line", "spring", "autumn"),
        [
            ("30 * * * *", ["01:30+0100", "03:30+0200"], ["01:30+0200", "02:30+0200", "02:30+0100", "03:30+0100"]),
            ("*/30 2 * * *", ["02:00+0200", "02:30+0200"], ["02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100"]),
        ],
    )
    def test_a_line_with_a_star_counts_real_time(self, line: str, spring: list[str], autumn: list[str]) -> None:
        for first_day, times_there in ((datetime(2026, 3, 29), spring), (datetime(2026, 10, 25), autumn)):
            start = first_day.replace(hour=1, minute=15, tzinfo=BERLIN)
            ticks = walk(Schedule.parse(line, "Europe/Berlin"), start, len(times_there))
            assert [f"{tick.astimezone(BERLIN):%H:%M%z}" for tick in ticks] == times_there

    def test_asked_within_the_repeated_hour_it_names_the_next_night(self) -> None:
        schedule = Schedule.parse("30 2 * * *", "Europe/Berlin")
        for minute in (0, 29, 30, 31):
            moment = datetime(2026, 10, 25, 2, minute, fold=1, tzinfo=BERLIN)
            assert schedule.next_after(moment) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)

    @settings(max_examples=30, deadline=None)
    @given(
        st.sampled_from(
            ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "UTC"]
        ),
        st.integers(0, 23),
        st.integers(0, 59),
    )
    def test_every_day_of_a_year_has_one_run(self, zone: str, hour: int, minute: int) -> None:
        """Also where the clock is turned at midnight, or by half an hour."""
        info = ZoneInfo(zone)
        ticks = walk(Schedule.parse(f"{minute} {hour} * * *", zone), datetime(2026, 1, 1, tzinfo=info), 364)
        days = {tick.astimezone(info).date() for tick in ticks}
        assert len(days) == len(ticks)
        assert max(days) - min(days) == timedelta(days=363)
        assert min(days) in (date(2026, 1, 1), date(2026, 1, 2))


class TestMissed:
    @pytest.mark.parametrize(
        ("last", "now", "missed"),
        [
            ("2026-11-22T01:00:00.004Z", "2026-11-22T23:00:00.000Z", False),  # ran last night
            ("2026-11-22T01:00:00.000Z", "2026-11-23T00:59:59.999Z", False),  # to the millisecond at the tick
            ("2026-11-22T01:00:00.000Z", "2026-11-23T01:00:00.000Z", True),
            ("2026-11-21T01:00:00.004Z", "2026-11-22T07:00:00.000Z", True),  # was off last night
            ("2026-11-22T06:00:00.000Z", "2026-11-22T07:00:00.000Z", False),  # was off, but someone ran it by hand
            ("2026-11-25T01:00:00.000Z", "2026-11-23T07:00:00.000Z", False),  # written by a clock that was fast
        ],
    )
    def test_a_night_without_a_run_was_missed(self, last: str, now: str, missed: bool) -> None:
        schedule = Schedule.parse("0 2 * * *", "Europe/Berlin")
        assert schedule.missed(datetime.fromisoformat(last), datetime.fromisoformat(now)) is missed

    def test_before_the_first_run_nothing_was_missed(self) -> None:
        assert not Schedule.parse("0 2 * * *", "Europe/Berlin").missed(None, MONDAY)

    def test_it_reads_what_the_results_say(self, tmp_path: Path) -> None:
        database = Database(str(tmp_path / "results.db"))
        with database.writing() as connection:
            run = runs.start_run(connection, "/inbox")
            runs.finish_run(connection, run, "finished", 0, Counts(), None)
        with database.reading() as connection:
            written = runs.last_started(connection, "/inbox", "", (130,))
        database.close()
        assert written is not None
        assert written.endswith("Z")
        schedule, last = Schedule.parse("0 2 * * *", "UTC"), datetime.fromisoformat(written)
        assert not schedule.missed(last, last + timedelta(milliseconds=1))
        assert schedule.missed(last, last + timedelta(days=1))
