"""Open the results database, SQLite or PostgreSQL, at the newest schema."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 30
_MIGRATION_LOCK = 27_112_301  # the number of PostgreSQL's advisory lock; any fixed number will do
# A machine that vanishes sends no FIN, and Linux notices after two hours by default. With these values either side
# notices within 60 s. Source: postgresql.org/docs/current/libpq-connect.html, runtime-config-connection.html.
_POSTGRESQL_CLIENT = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_POSTGRESQL_SERVER = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "idle_in_transaction_session_timeout": "60000",  # ms; a client that froze must not hold its locks
    "idle_session_timeout": "0",  # the connection that holds a run's lock is idle all night
}
_RETRIED_STATES = ("40001", "40P01")  # serialization failure, deadlock: the same transaction can succeed now
_MOST_ATTEMPTS = 5

Returned = TypeVar("Returned")


class ResultsError(RuntimeError):
    """The results cannot be read or written: disk full, read-only, no such server."""


class Database:
    """Connections to one results database.

    Args:
        location: the path of a SQLite file, or any SQLAlchemy URL; a value without ``://`` is a path.
        records_events: write each final decision of a return into the outbox, because somebody delivers it.
        creates: create a SQLite file that is not there; a program that only reads would hide a mistyped name.

    Attributes:
        name: the location without its password, for messages.
        engine: SQLAlchemy's.

    Raises:
        ResultsError: it cannot be opened; the message names it.
    """

    def __init__(self, location: str, records_events: bool = False, creates: bool = True) -> None:
        self.name = location.split("://")[0]
        self.records_events = records_events
        try:
            url = to_url(location)
            self.name = location if "://" not in location else url.set(query={}).render_as_string()
            self.engine = create_engine(url, connect_args=_connect_arguments(url), pool_pre_ping=not _is_sqlite(url))
            try:
                self._open(creates)
            except BaseException:
                self.engine.dispose()
                raise
        except ModuleNotFoundError as error:
            raise ResultsError(
                f"the results in {self.name} need the Python package {error.name!r}; for PostgreSQL: "
                "python -m tools.install postgresql"
            ) from error
        except (OSError, ValueError, SQLAlchemyError, CommandError) as error:
            raise ResultsError(f"the results in {self.name} cannot be opened: {_cause(error)}") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection for queries."""
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection in a transaction: committed at the end, rolled back on any exception.

        Raises:
            ResultsError: the database refused; nothing of the transaction is stored.
        """
        with (
            self._translated(),
            self.engine.connect().execution_options(writes=True, records_events=self.records_events) as connection,
            connection.begin(),
        ):
            yield connection

    def transact(self, work: Callable[[Connection], Returned]) -> Returned:
        """Run a function in a transaction, and again if the engine ended it to resolve a deadlock.

        Args:
            work: gets the connection. It may run several times, so it must change nothing but the database.

        Raises:
            ResultsError: the database refused, or the deadlock came back each time; nothing is stored.
        """
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            try:
                with self.writing() as connection:
                    return work(connection)
            except ResultsError as error:
                if attempt == _MOST_ATTEMPTS or not _is_passing_conflict(error.__cause__):
                    raise
                time.sleep(0.05 * attempt)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _open(self, creates: bool) -> None:
        if self.engine.dialect.name == "sqlite":
            path = Path(self.engine.url.database or "").resolve()
            if not creates and is_missing(str(path)):
                raise ResultsError(f"there are no results at {path}; check RESULTS_DB. The first run creates them.")
            path.parent.mkdir(parents=True, exist_ok=True)
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            event.listen(self.engine, "connect", _prepare_postgresql)
        _migrate(self)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise ResultsError(f"the results in {self.name} refused: {_cause(error)}") from error


def is_missing(location: str) -> bool:
    """Return whether a location names a SQLite file that is not there; whatever else is wrong, opening it tells."""
    try:
        url = to_url(location)
    except SQLAlchemyError:
        return False
    return _is_sqlite(url) and not Path(url.database or "").resolve().exists()


def to_url(location: str) -> URL:
    """Return the SQLAlchemy URL of a path or URL.

    Raises:
        SQLAlchemyError: it is no URL.
    """
    if "://" in location:
        return make_url(location)
    return URL.create("sqlite", database=str(Path(location).resolve()))


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _connect_arguments(url: URL) -> dict[str, Any]:
    """Return the driver's arguments; what the URL itself says wins."""
    if _is_sqlite(url):
        return {"timeout": _BUSY_SECONDS}
    return {name: value for name, value in _POSTGRESQL_CLIENT.items() if name not in url.query}


def _prepare_postgresql(connection: Any, _record: object) -> None:
    """Let the server notice a client that vanished, and keep the sessions that idle on purpose.

    The query sets what this server's version knows, and leaves out the rest.
    """
    with connection.cursor() as cursor:
        for name, value in _POSTGRESQL_SERVER.items():
            cursor.execute("SELECT set_config(name, %s, false) FROM pg_settings WHERE name = %s", (value, name))
    connection.commit()


def _is_passing_conflict(error: BaseException | None) -> bool:
    """Return True if the engine ended the transaction only because it met another one."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RETRIED_STATES


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Make commits survive a power cut while other connections read and write.

    Source: sqlite.org/pragma.html#pragma_synchronous: in WAL mode, NORMAL may lose the last commits, FULL does not.
    """
    connection.isolation_level = None  # otherwise Python's module begins and commits by itself
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    # Otherwise the text of deleted and changed rows stays in the file. Source: sqlite.org/pragma.html, secure_delete.
    connection.execute("PRAGMA secure_delete=ON")


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once. SQLite can refuse a reader that turns writer, however long it waits."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(database: Database) -> None:
    """Migrate the schema to the newest version; a second process waits for the first."""
    with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            alembic.command.upgrade(config, "head")
        except CommandError as error:
            _refuse_newer(database.name, connection, ScriptDirectory.from_config(config), error)
            raise


def _refuse_newer(name: str, connection: Connection, script: ScriptDirectory, cause: CommandError) -> None:
    """Raise ResultsError if a newer program has migrated the schema."""
    stored = MigrationContext.configure(connection).get_current_revision()
    if stored is not None and stored not in {revision.revision for revision in script.walk_revisions()}:
        raise ResultsError(
            f"the results in {name} have schema version {stored}, and this program knows no version after "
            f"{script.get_current_head()}: a newer program has migrated them. Install the newer version of batch "
            "client and desk, or restore the backup from before the upgrade."
        ) from cause


def _cause(error: Exception) -> str:
    """Return the driver's own sentence, without SQL and parameters."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
