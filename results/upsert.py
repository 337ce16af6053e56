"""Rows that may be there already."""

from functools import cache

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_once(connection: Connection, into: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that leaves a row alone that is there already; execute it with the values."""
    return _insert_once(connection.dialect.name, into)


@cache  # building it takes as long as running it
def _insert_once(dialect: str, into: Table) -> sqlite.Insert | postgresql.Insert:
    return insert_into(dialect, into).on_conflict_do_nothing()


def insert_into(dialect: str, into: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the engine's own INSERT, which can be told what to do with a row that is there already."""
    return sqlite.insert(into) if dialect == "sqlite" else postgresql.insert(into)
