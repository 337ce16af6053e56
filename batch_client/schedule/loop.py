"""When the next run is due: a crontab line on a clock that people turn twice a year, and the loop that waits for it."""

import logging
import re
import threading
from calendar import monthrange
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger
from tzlocal import get_localzone

CRONTAB = Path(__file__).with_name("crontab")
_LOOK_AGAIN_SECONDS = 30  # a machine that slept, or whose clock was set, is noticed within that time
_A_LEAP_YEAR = 2028
_ITEM = re.compile(r"(\*|(?P<first>[a-z0-9]{1,9})(-(?P<last>[a-z0-9]{1,9}))?)(/(?P<step>[0-9]{1,4}))?")
log = logging.getLogger("batch_client")


@dataclass(frozen=True)
class _Field:
    """A field of a crontab line.

    Attributes:
        name: for people.
        low: its first value.
        high: its last value.
        largest: the largest number that may be written; 7 for Sunday.
        names: of the values, from the first on.
    """

    name: str
    low: int
    high: int
    largest: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> set[int]:
        """Return the values that a field's text means, such as ``1,3-5``, ``*/2`` or ``fri-mon``; ranges may wrap.

        Raises:
            ValueError: it means none; the message names the field.
        """
        count = self.high - self.low + 1
        values: set[int] = set()
        for item in text.lower().split(","):
            match = _ITEM.fullmatch(item)
            if match is None:
                raise ValueError(f"{self.name}: {item!r} is no value, range or step")
            first, last, step = match["first"], match["last"], int(match["step"] or 1)
            if step == 0:
                raise ValueError(f"{self.name}: the step of {item!r} is 0")
            start = self.low if first is None else self._number(first)
            if last is not None:
                end = self._number(last)
            else:
                end = start if first is not None and match["step"] is None else self.high
            if end < start:
                end += count
            values.update(self.low + (value - self.low) % count for value in range(start, end + 1, step))
        return values

    def _number(self, text: str) -> int:
        if text in self.names:
            return self.low + self.names.index(text)
        if not text.isdigit() or not self.low <= int(text) <= self.largest:
            names = f", {self.names[0]}-{self.names[-1]}" if self.names else ""
            raise ValueError(f"{self.name}: {text!r} is not one of {self.low}-{self.largest}{names}")
        return int(text)


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("minute", 0, 59, 59),
    _Field("hour", 0, 23, 23),
    _Field("day of month", 1, 31, 31),
    _Field("month", 1, 12, 12, _MONTHS),
    _Field("day of week", 0, 6, 7, _WEEKDAYS),
)


@dataclass(frozen=True)
class Schedule:
    """The moments that a crontab line means in a time zone.

    A time that the clock skips in spring comes at the moment the clock jumps to; a time that it shows twice in autumn
    comes the first time only. So a nightly run happens once in both nights, and a schedule that runs many times an
    hour rests for the repeated hour.

    Attributes:
        line: five fields, as cron knows them.
        zone: of the times in them.
    """

    line: str
    zone: ZoneInfo
    _triggers: tuple[CronTrigger, ...] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, line: str, zone: str | None) -> Self:
        """Read a crontab line.

        Day of month and day of week: where neither begins with ``*``, a day counts that matches either; else it must
        match both. Source: crontab(5) of Vixie cron.

        Args:
            line: minute, hour, day of month, month, day of week.
            zone: name of the time zone; None for the machine's.

        Raises:
            ValueError: the line or the zone means nothing; the message names the field or ``TZ``.
        """
        texts = line.split()
        if len(texts) != len(_FIELDS):
            names = ", ".join(known.name for known in _FIELDS)
            raise ValueError(f"the schedule {line!r} has {len(texts)} fields, not the five of cron: {names}")
        try:
            minutes, hours, days, months, weekdays = (
                known.values(text) for known, text in zip(_FIELDS, texts, strict=True)
            )
        except ValueError as error:
            raise ValueError(f"the schedule {line!r}: {error}") from None
        either = not texts[2].startswith("*") and not texts[4].startswith("*")
        wanted = [(days, range(7)), (range(1, 32), weekdays)] if either else [(days, weekdays)]
        longest = max(monthrange(_A_LEAP_YEAR, month)[1] for month in months)
        triggers = tuple(_trigger(minutes, hours, *pair, months) for pair in wanted if min(pair[0]) <= longest)
        if not triggers:
            raise ValueError(f"the schedule {line!r}: day of month: month {texts[3]} has no day {texts[2]}")
        return cls(line, _zone(zone), triggers)

    def next_after(self, moment: datetime) -> datetime:
        """Return the first tick strictly after a moment, in UTC.

        The trigger is asked about a clock without daylight saving time. Source: APScheduler 3.11.3, seen: in a zone
        with one, ``30 2 * * *`` comes twice in the night in autumn, and asked again after that gives the same
        moment for ever.
        """
        wall = moment.astimezone(self.zone).replace(tzinfo=None)
        while True:
            wall = min(_next_on(trigger, wall) for trigger in self._triggers)
            tick = self._moment_of(wall)
            if tick > moment:  # else it is the repeated hour, and the tick came when the clock showed it first
                return tick

    def missed(self, last_started: datetime | None, now: datetime) -> bool:
        """Tell whether a tick came after the last run started; without any run, nothing was missed."""
        return last_started is not None and self.next_after(last_started) <= now

    def _moment_of(self, wall: datetime) -> datetime:
        """Return when the clock first shows a time, or the next one after it that it shows at all."""
        while True:
            moment = wall.replace(tzinfo=self.zone).astimezone(UTC)
            if moment.astimezone(self.zone).replace(tzinfo=None) == wall:
                return moment
            wall += timedelta(minutes=1)


def read_crontab(path: Path) -> str:
    """Return the one line of a crontab that is no comment.

    Raises:
        ValueError: there are none or several.
        OSError: the file cannot be read.
    """
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) != 1:
        raise ValueError(f"{path} must hold one line beside comments, not {len(lines)}")
    return lines[0]


def run_forever(
    schedule: Schedule,
    run_once: Callable[[], None],
    last_started: Callable[[], datetime | None],
    stopped: threading.Event,
) -> None:
    """Run at every tick, one run at a time, in the calling thread, until stopped.

    Ticks that were missed while the machine was off, or that come while a run goes on, are made up for by one run.
    However a run fails, the next one comes.

    Args:
        schedule: when.
        run_once: one run; it reacts to signals itself.
        last_started: says, once at the beginning, when the newest run started that was not interrupted; None if there
            was none.
        stopped: ends the waiting; a run that goes on is waited for.
    """
    since, last = datetime.now(UTC), last_started()
    if last is not None and schedule.missed(last, since):
        since = last
    while _wait_until(schedule.next_after(since), schedule.zone, stopped):
        since = datetime.now(UTC)
        try:
            run_once()
        except SystemExit as end:
            log.error("the run ended with exit code %s; the schedule goes on", end.code)
        except Exception:
            log.exception("the run failed; the schedule goes on")


def _wait_until(moment: datetime, zone: ZoneInfo, stopped: threading.Event) -> bool:
    """Wait for a moment; false if stopped before it."""
    log.info("the next run is due at %s", moment.astimezone(zone).isoformat(timespec="minutes"))
    while not stopped.is_set():
        seconds = (moment - datetime.now(UTC)).total_seconds()
        if seconds <= 0:
            return True
        stopped.wait(min(seconds, _LOOK_AGAIN_SECONDS))
    return False


def _trigger(
    minutes: Iterable[int], hours: Iterable[int], days: Iterable[int], weekdays: Iterable[int], months: Iterable[int]
) -> CronTrigger:
    """Return APScheduler's trigger; it counts the days of the week from Monday."""

    def listed(values: Iterable[int]) -> str:
        return ",".join(map(str, sorted(values)))

    return CronTrigger(
        minute=listed(minutes),
        hour=listed(hours),
        day=listed(days),
        month=listed(months),
        day_of_week=listed((weekday - 1) % 7 for weekday in weekdays),
        timezone=UTC,
    )


def _next_on(trigger: CronTrigger, wall: datetime) -> datetime:
    """Return the trigger's first time strictly after one; both are what a clock shows."""
    after = wall.replace(tzinfo=UTC) + timedelta(microseconds=1)
    following: datetime = trigger.get_next_fire_time(None, after)
    return following.replace(tzinfo=None)


def _zone(name: str | None) -> ZoneInfo:
    if name is None:
        return get_localzone()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"TZ: there is no time zone {name!r}; name one like Europe/Berlin") from None
