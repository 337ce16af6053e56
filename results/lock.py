"""The run lock: one run at a time for a results database, or one for each shard."""

import fcntl
import os
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from results.database import Database, ResultsError

_WHOLE, _SHARDS, _SHARD, _STARTING = range(27_112_310, 27_112_314)  # any fixed numbers; kinds of PostgreSQL's locks


class Locked(RuntimeError):
    """Another run holds the lock; the message names it."""


class RunLock:
    """A lock that is held; :meth:`check` proves that it still is.

    Args:
        probe: raises ResultsError when the lock or the results under it are gone.
    """

    def __init__(self, probe: Callable[[], None]) -> None:
        self._probe = probe
        self._turn = threading.Lock()

    def check(self) -> None:
        """Make sure that this run still owns the results; call it before each group and before files are removed.

        Raises:
            ResultsError: the lock is lost, or the results file was replaced; the message says which.
        """
        with self._turn:
            self._probe()


@contextmanager
def run_lock(database: Database, shard: str = "") -> Iterator[RunLock]:
    """Hold the lock of a results database for the block. The lock ends with the process, however that ends.

    Files beside a SQLite database lock it, whatever path or URL named it. A PostgreSQL database locks itself, for the
    clients of all machines.

    Args:
        database: the results.
        shard: ``INDEX/COUNT`` where several runs share a source, each with a lock of its own; empty for all of it.
            Neither the whole nor shards of another COUNT, which would overlap, may be worked on meanwhile.

    Raises:
        Locked: another run holds it.
        ResultsError: the lock cannot be taken.
    """
    with ExitStack() as stack:
        if database.engine.dialect.name == "sqlite":
            path = Path(str(database.engine.url.database)).resolve()
            whole = path.with_name(f"{path.name}.lock")
            if shard:
                _, _, count = shard.partition("/")
                own = path.with_name(f"{path.name}.{shard.replace('/', '-of-')}.lock")
                stack.enter_context(_file_lock_of_shards(whole, f"shards of {count}"))
                stack.enter_context(_file_lock(own))
            else:
                stack.enter_context(_file_lock(whole))
            yield RunLock(_file_probe(path))
        else:
            yield RunLock(stack.enter_context(_advisory_locks(database, shard)))


def _file_probe(path: Path) -> Callable[[], None]:
    """Return a probe that raises when another file lies in the place of the results.

    SQLite goes on writing into a file that was removed or replaced. A run would then delete photos whose predictions
    nobody can find any more.
    """

    def identity() -> tuple[int, int] | None:
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    opened = identity()

    def probe() -> None:
        if identity() != opened:
            raise ResultsError(
                f"the results file {path} was moved, removed or replaced while the run worked; nothing more is stored "
                "or removed. Put the file back, or start the next run on the new one."
            )

    return probe


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    with _opened(path) as file:
        if not _try(file, fcntl.LOCK_EX):
            raise _held(file, path)
        _write(file, f"process {os.getpid()}")
        yield


@contextmanager
def _file_lock_of_shards(path: Path, shards: str) -> Iterator[None]:
    """Share the lock with runs of the same number of shards; the file says how many, and who came first."""
    with _opened(path) as file:
        with _opened(path.with_name(f"{path.name}.starting")) as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)  # briefly held: one process at a time looks and writes
            if _try(file, fcntl.LOCK_EX):
                _write(file, f"{shards}, process {os.getpid()}")
            elif not _read(file).startswith(f"{shards}, "):
                raise _held(file, path)
            if not _try(file, fcntl.LOCK_SH):
                raise _held(file, path)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        file = path.open("a+")
    except OSError as error:
        raise ResultsError(f"the lock {path} cannot be written: {error.strerror}") from error
    with file:
        yield file


def _try(file: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: TextIO) -> str:
    file.seek(0)
    return file.read().strip()


def _write(file: TextIO, words: str) -> None:
    file.truncate(0)
    file.write(f"{words}\n")
    file.flush()


def _held(file: TextIO, path: Path) -> Locked:
    return Locked(f"another run holds {path}: {_read(file) or 'unknown process'}")


@contextmanager
def _advisory_locks(database: Database, shard: str) -> Iterator[Callable[[], None]]:
    """Hold a session's advisory locks on a connection of its own; yield a probe of that session."""
    with database.reading() as connection:
        name = f"run {shard}".strip() + f", process {os.getpid()} on {socket.gethostname()}"
        connection.execute(select(func.set_config("application_name", name, False)))  # the refused run shows it
        connection.commit()
        try:
            # Held until the commit, so that only one client at a time looks and takes.
            connection.execute(select(func.pg_advisory_xact_lock(_STARTING, 0)))
            if shard:
                count = int(shard.partition("/")[2])
                _take(connection, database, _WHOLE, 0, shared=True)
                if others := _holders(connection, _SHARDS, count, same=False):
                    raise Locked(f"another run holds {database.name}: {others}")
                _take(connection, database, _SHARDS, count, shared=True)
                _take(connection, database, _SHARD, zlib.crc32(shard.encode()) & 0x7FFF_FFFF)
            else:
                _take(connection, database, _WHOLE, 0)
            connection.commit()  # an open transaction would hold back PostgreSQL's clean-up all night
            yield lambda: _probe_session(connection, database)
        finally:
            with suppress(SQLAlchemyError):  # a session that is gone holds no locks
                connection.rollback()
                connection.execute(select(func.pg_advisory_unlock_all()))
                connection.exec_driver_sql("RESET application_name")  # the pool hands this connection out again
                connection.commit()


def _probe_session(connection: Connection, database: Database) -> None:
    """Ask the session that holds the locks for a sign of life.

    Raises:
        ResultsError: the session is gone, so another run may have started.
    """
    try:
        connection.execute(select(1))
        connection.commit()
    except SQLAlchemyError as error:
        raise ResultsError(
            f"the lock of this run on {database.name} is lost, because its connection was cut; another run may have "
            "started. Nothing more is stored; the next run continues."
        ) from error


def _take(connection: Connection, database: Database, kind: int, number: int, shared: bool = False) -> None:
    take = func.pg_try_advisory_lock_shared if shared else func.pg_try_advisory_lock
    if not connection.execute(select(take(kind, number))).scalar():
        raise Locked(f"another run holds {database.name}: {_holders(connection, kind, number, same=True)}")


def _holders(connection: Connection, kind: int, number: int, same: bool) -> str:
    """Return the names of the holders of a kind of lock, of the same number or of others; empty if nobody holds one."""
    query = text(
        "SELECT DISTINCT COALESCE(application_name, 'unknown process') "
        "FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND granted AND classid = :kind AND objsubid = 2 "  # 2: of two numbers
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND (CAST(objid AS bigint) = :number) = :same ORDER BY 1"
    )
    return "; ".join(connection.execute(query, {"kind": kind, "number": number, "same": same}).scalars())
