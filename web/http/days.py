"""Days as the reader of a page means them: from midnight to midnight in the time zone of the browser."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from results.sql import to_text

LONGEST_ZONE = 64


def read_zone(name: str) -> tzinfo:
    """Return the time zone of a name such as ``Europe/Berlin``; UTC for an empty one.

    Raises:
        ValueError: there is no such time zone.
    """
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error


def read_period(first: str, last: str, zone: tzinfo) -> tuple[str | None, str | None]:
    """Return the moment at which a day begins and the one at which another ends, as the results store them.

    Args:
        first: ``2026-11-28``; empty for no limit.
        last: of the last day, which is included; empty for no limit.
        zone: of the reader.

    Raises:
        ValueError: this is no day.
        OverflowError: the day is at the end of all time.
    """
    since = _midnight(date.fromisoformat(first), zone) if first else None
    until = _midnight(date.fromisoformat(last) + timedelta(days=1), zone) if last else None
    return since, until


def _midnight(day: date, zone: tzinfo) -> str:
    return to_text(datetime.combine(day, time(), zone))
