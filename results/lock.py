"""One run at a time for a results database."""

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import func, select

from results.database import Database, ResultsError


class Locked(RuntimeError):
    """Another run holds the lock; the message says who."""


@contextmanager
def run_lock(database: Database, shard: str = "") -> Iterator[None]:
    """Hold the lock of a results database for the block; however the process ends, the lock is released.

    A SQLite file is locked by a file beside it, whatever path or URL named it; a PostgreSQL database by itself, for
    clients of all machines.

    Args:
        database: the results.
        shard: ``INDEX/COUNT`` where several runs share a source, each with a lock of its own; empty for all of it,
            which no shard may work on meanwhile.

    Raises:
        Locked: another run holds it.
        ResultsError: the lock cannot be taken.
    """
    with ExitStack() as stack:
        for name, exclusive in _locks(shard):
            if database.engine.dialect.name == "sqlite":
                path = Path(str(database.engine.url.database)).resolve()
                stack.enter_context(_file_lock(path.with_name(f"{path.name}{name}.lock"), exclusive))
            else:
                number = zlib.crc32(f"refund-classifier: run {name}".encode())
                stack.enter_context(_advisory_lock(database, number, exclusive))
        yield


def _locks(shard: str) -> list[tuple[str, bool]]:
    """Return names and whether they are held alone: shards share the first, which the whole has for itself."""
    return [("", False), (f".{shard.replace('/', '-of-')}", True)] if shard else [("", True)]


@contextmanager
def _file_lock(path: Path, exclusive: bool) -> Iterator[None]:
    try:
        file = path.open("a+")
    except OSError as error:
        raise ResultsError(f"the lock {path} cannot be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Locked(f"another run holds {path}: {file.read().strip() or 'unknown process'}") from None
        file.truncate(0)
        file.write(f"process {os.getpid()}\n")
        file.flush()
        yield


@contextmanager
def _advisory_lock(database: Database, number: int, exclusive: bool) -> Iterator[None]:
    """Hold a session's advisory lock, on a connection of its own that lives as long as the run."""
    take = func.pg_try_advisory_lock if exclusive else func.pg_try_advisory_lock_shared
    release = func.pg_advisory_unlock if exclusive else func.pg_advisory_unlock_shared
    with database.reading() as connection:
        if not connection.execute(select(take(number))).scalar():
            raise Locked(f"another run holds {database.name}")
        connection.commit()  # an open transaction would hold back PostgreSQL's clean-up all night
        try:
            yield
        finally:
            connection.execute(select(release(number)))
