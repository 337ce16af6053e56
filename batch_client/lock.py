"""One run at a time for a results database."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Locked(RuntimeError):
    """Another run holds the lock; the message says who."""


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock for the block; the operating system releases it however the process ends.

    Args:
        path: lock file; stays behind, which means nothing.

    Raises:
        Locked: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Locked(f"another run holds {path}: {file.read().strip() or 'unknown process'}") from None
        file.truncate(0)
        file.write(f"process {os.getpid()}\n")
        file.flush()
        yield
