"""What both database engines need alike: times as text, and rows that may exist already."""

from datetime import UTC, datetime
from functools import cache

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def now() -> str:
    """Return the present time in UTC: ISO 8601 with milliseconds and ``Z``."""
    return to_text(datetime.now(UTC))


def to_text(moment: datetime) -> str:
    """Format a time-zone-aware moment as the results store it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def insert_once(connection: Connection, into: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that leaves an existing row unchanged; execute it with the values."""
    return _insert_once(connection.dialect.name, into)


@cache  # building the statement takes as long as running it
def _insert_once(dialect: str, into: Table) -> sqlite.Insert | postgresql.Insert:
    return insert_into(dialect, into).on_conflict_do_nothing()


def insert_into(dialect: str, into: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the engine's own INSERT, which supports ``ON CONFLICT``."""
    return sqlite.insert(into) if dialect == "sqlite" else postgresql.insert(into)
