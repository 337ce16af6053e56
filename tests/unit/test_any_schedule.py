"""Any line of a crontab, drawn, against a calendar that counts minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_client.schedule.times import Schedule

BERLIN = ZoneInfo("Europe/Berlin")

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)


def walk(schedule: Schedule, start: datetime, count: int) -> list[datetime]:
    """Return the first ticks after a moment."""
    ticks: list[datetime] = []
    for _ in range(count):
        ticks.append(schedule.next_after(ticks[-1] if ticks else start))
    return ticks


@st.composite
def fields(draw: st.DrawFn, low: int, high: int, names: str = "") -> tuple[str, frozenset[int]]:
    """Draw a field's text, and what it means: made by counting on, step by step, from the first value to the last."""
    largest = 7 if low == 0 and high == 6 else high  # Sunday is 0 and 7
    words = names.split()
    texts: list[str] = []
    meant: set[int] = set()
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["star", "value", "range", "range", "from"]))
        first, last = sorted(draw(st.lists(st.integers(low, high), min_size=2, max_size=2, unique=True)))
        step = draw(st.integers(1, high - low + 5))

        def written(value: int) -> str:
            in_words: bool = draw(st.booleans()) if words else False
            return words[value - low] if in_words else str(value)

        if kind == "star":
            first, last, text = low, high, "*"
        elif kind == "value":
            last, step, text = first, 1, written(first)
        elif kind == "range":
            text = f"{written(first)}-{written(last)}"
        else:
            last, text = largest, written(first)
        if kind == "from" or (step > 1 and kind != "value"):
            text += f"/{step}"
        meant.update(value % 7 if largest == 7 else value for value in range(first, last + 1, step))
        texts.append(text)
    return ",".join(texts), frozenset(meant)


def simple_next(texts: list[str], meant: list[frozenset[int]], moment: datetime) -> datetime | None:
    """Look at one day after the other, as a person with a calendar would; None if nothing comes in 41 years."""
    minutes, hours, days, months, week = meant
    either = texts[2][0] != "*" and texts[4][0] != "*"
    for offset in range(41 * 366):
        day = (moment + timedelta(days=offset)).date()
        by_date, by_weekday = day.day in days, day.isoweekday() % 7 in week
        if day.month not in months or not (by_date or by_weekday if either else by_date and by_weekday):
            continue
        for hour in sorted(hours):
            for minute in sorted(minutes):
                tick = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                if tick > moment:
                    return tick
    return None


class TestAnyLine:
    @settings(max_examples=150, deadline=None)
    @given(
        st.tuples(
            fields(0, 59),
            fields(0, 23),
            fields(1, 31),
            fields(1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
            fields(0, 6, "sun mon tue wed thu fri sat"),
        ),
        st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),
    )
    def test_the_next_tick_is_the_one_on_the_calendar(
        self, line: tuple[tuple[str, frozenset[int]], ...], moment: datetime
    ) -> None:
        texts, meant = [text for text, _ in line], [values for _, values in line]
        expected = simple_next(texts, meant, moment)
        if expected is None:
            with pytest.raises(ValueError, match="day of month"):
                Schedule.parse(" ".join(texts), "UTC")
        else:
            tick = Schedule.parse(" ".join(texts), "UTC").next_after(moment)
            assert tick > moment
            assert tick == expected
