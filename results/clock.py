"""Times as the results store them."""

from datetime import UTC, datetime


def now() -> str:
    """Return the time in UTC, ISO 8601 with milliseconds and ``Z``."""
    return to_text(datetime.now(UTC))


def to_text(moment: datetime) -> str:
    """Write a moment that knows its time zone as the results store it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
