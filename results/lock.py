"""One run at a time for a results database, or one a shard."""

import fcntl
import os
import socket
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, func, select, text

from results.database import Database, ResultsError

_WHOLE, _SHARDS, _SHARD, _STARTING = range(27_112_310, 27_112_314)  # any fixed numbers; kinds of PostgreSQL's locks


class Locked(RuntimeError):
    """Another run holds the lock; the message says who."""


@contextmanager
def run_lock(database: Database, shard: str = "") -> Iterator[None]:
    """Hold the lock of a results database for the block; however the process ends, the lock is released.

    A SQLite file is locked by files beside it, whatever path or URL named it; a PostgreSQL database by itself, for
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
        else:
            stack.enter_context(_advisory_locks(database, shard))
        yield


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    with _opened(path) as file:
        if not _try(file, fcntl.LOCK_EX):
            raise _held(file, path)
        _write(file, f"process {os.getpid()}")
        yield


@contextmanager
def _file_lock_of_shards(path: Path, shards: str) -> Iterator[None]:
    """Share the lock with runs of the same kind of shards: the file says which, and who came first."""
    with _opened(path) as file:
        with _opened(path.with_name(f"{path.name}.starting")) as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)  # held for a moment: one looks, then writes, then the next looks
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
def _advisory_locks(database: Database, shard: str) -> Iterator[None]:
    """Hold a session's advisory locks, on a connection of its own that lives as long as the run."""
    with database.reading() as connection:
        name = f"run {shard}".strip() + f", process {os.getpid()} on {socket.gethostname()}"
        connection.execute(select(func.set_config("application_name", name, False)))  # for whoever is refused
        connection.commit()
        try:
            # Until the commit: one looks and takes, then the next looks.
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
            yield
        finally:
            connection.rollback()
            connection.execute(select(func.pg_advisory_unlock_all()))


def _take(connection: Connection, database: Database, kind: int, number: int, shared: bool = False) -> None:
    take = func.pg_try_advisory_lock_shared if shared else func.pg_try_advisory_lock
    if not connection.execute(select(take(kind, number))).scalar():
        raise Locked(f"another run holds {database.name}: {_holders(connection, kind, number, same=True)}")


def _holders(connection: Connection, kind: int, number: int, same: bool) -> str:
    """Return who holds locks of a kind, of the same number or of others; empty for nobody."""
    query = text(
        "SELECT DISTINCT COALESCE(application_name, 'unknown process') "
        "FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND granted AND classid = :kind AND objsubid = 2 "  # 2: of two numbers
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND (CAST(objid AS bigint) = :number) = :same ORDER BY 1"
    )
    return "; ".join(connection.execute(query, {"kind": kind, "number": number, "same": same}).scalars())
