"""Open the results database, of whichever kind, at the newest schema."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic.command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 30
_MIGRATION_LOCK = 27_112_301  # any fixed number; names PostgreSQL's advisory lock


class ResultsError(RuntimeError):
    """The results cannot be read or written: disk full, read-only, no such server."""


class Database:
    """Connections to one results database.

    Args:
        location: a path of a SQLite file, or any SQLAlchemy URL; what holds no ``://`` is a path.

    Attributes:
        name: the location as it may be shown, without a password.
        engine: SQLAlchemy's.

    Raises:
        ResultsError: it cannot be opened; the message names it.
    """

    def __init__(self, location: str) -> None:
        self.name = location.split("://")[0]
        try:
            url = to_url(location)
            self.name = location if "://" not in location else url.set(query={}).render_as_string()
            self.engine = create_engine(url, connect_args=_connect_arguments(url))
            if self.engine.dialect.name == "sqlite":
                Path(url.database or "").resolve().parent.mkdir(parents=True, exist_ok=True)
                event.listen(self.engine, "connect", _prepare_sqlite)
                event.listen(self.engine, "begin", _begin_sqlite)
            _migrate(self)
        except ModuleNotFoundError as error:
            raise ResultsError(
                f"the results in {self.name} need the Python package {error.name!r}; for PostgreSQL: "
                "pip install -r requirements/postgresql.txt"
            ) from error
        except (OSError, ValueError, SQLAlchemyError, CommandError) as error:
            raise ResultsError(f"the results in {self.name} cannot be opened: {_cause(error)}") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for queries."""
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction, committed at the end and rolled back on any exception.

        Raises:
            ResultsError: the database refused; nothing of the transaction is stored.
        """
        with (
            self._translated(),
            self.engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise ResultsError(f"the results in {self.name} refused: {_cause(error)}") from error


def to_url(location: str) -> URL:
    """Return the SQLAlchemy URL of a path or URL.

    Raises:
        SQLAlchemyError: it is no URL.
    """
    if "://" in location:
        return make_url(location)
    return URL.create("sqlite", database=str(Path(location).resolve()))


def _connect_arguments(url: URL) -> dict[str, Any]:
    return {"timeout": _BUSY_SECONDS} if url.get_backend_name() == "sqlite" else {}


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Set what makes a commit survive a power cut while others read and write.

    Source: sqlite.org/pragma.html#pragma_synchronous: in WAL mode, NORMAL may lose the last commits, FULL does not.
    """
    connection.isolation_level = None  # or Python's module begins and commits on its own account
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once: a reader that turns writer can be refused however long it waits."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(database: Database) -> None:
    """Bring the schema to the newest version; of two processes at once, one waits for the other."""
    with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


def _cause(error: Exception) -> str:
    """Return the driver's own sentence, without SQL and parameters."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
