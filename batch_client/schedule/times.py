"""The times at which runs are due: a crontab line in a time zone."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

CRONTAB = Path(__file__).with_name("crontab")
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_MACHINE_ZONE = Path("/etc/localtime")


@dataclass(frozen=True)
class Schedule:
    """The times of a crontab line in a time zone.

    Daylight saving time follows Debian's cron. If the line names minutes and hours, a time that the clock skips in
    spring comes at the moment the clock jumps to, and a time that the clock shows twice in autumn comes once. If
    minute or hour begins with ``*``, the line counts real time: it also ticks in the repeated hour.

    Attributes:
        line: minute, hour, day of month, month, day of week.
        zone: time zone of the line.
    """

    line: str
    zone: ZoneInfo

    @classmethod
    def parse(cls, line: str, zone: str | None) -> Self:
        """Read a crontab line.

        Args:
            line: five fields. If neither day field begins with ``*``, a day that matches either of them counts.
            zone: name of the time zone; None for the machine's.

        Raises:
            ValueError: the line or the zone is wrong; the message names the field or ``TZ``.
        """
        texts = line.split()
        if len(texts) != len(_FIELDS):
            raise ValueError(
                f"the schedule {line!r} has {len(texts)} fields, not the five of cron: {', '.join(_FIELDS)}"
            )
        schedule = cls(line, _zone(zone))
        try:
            if next(CronSim(line, datetime.now(UTC)), None) is None:
                raise ValueError(f"the schedule {line!r}: no day within 50 years matches it")
        except CronSimError as error:
            name = str(error).removeprefix("Bad ").replace("-", " ")
            text = texts[_FIELDS.index(name)] if name in _FIELDS else ""
            raise ValueError(
                f"the schedule {line!r}: {name}: {text!r} is wrong. Ranges go upwards; the day must exist."
            ) from None
        return schedule

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time strictly after a moment, in UTC."""
        ticks = (tick.astimezone(UTC) for tick in CronSim(self.line, moment.astimezone(self.zone)))
        # Asked within the repeated hour, cronsim first names a time of the hour before.
        return next(tick for tick in ticks if tick > moment.astimezone(UTC))

    def missed(self, last_started: datetime | None, now: datetime) -> bool:
        """Return True if a time came after the last run started; False if there was no run."""
        return last_started is not None and self.next_after(last_started) <= now


def read_crontab(path: Path) -> str:
    """Return the only line of a crontab that is not a comment.

    Raises:
        ValueError: there is no such line, or more than one.
        OSError: the file cannot be read.
    """
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) != 1:
        raise ValueError(f"{path} must hold one line beside comments, not {len(lines)}")
    return lines[0]


def _zone(name: str | None) -> ZoneInfo:
    if name is None:
        return _machine_zone()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"TZ: there is no time zone {name!r}; name one like Europe/Berlin") from None


def _machine_zone() -> ZoneInfo:
    """Return the machine's time zone; UTC if it has none, as the C library does. Source: tzset(3)."""
    try:
        with _MACHINE_ZONE.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return ZoneInfo("UTC")
