"""Decline requests while the service shuts down: TorchServe drops requests that it has begun."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "SERVING_DRAIN_SIGN"


class DrainFlag:
    """The supervisor's flag: a file that is empty while the service accepts photos.

    Each server batch holds a shared lock on the file. The supervisor writes into the file and then takes the exclusive
    lock. When it has the lock, all batches that began earlier have ended, and all later ones are declined. The lock
    costs a batch microseconds.
    """

    def __init__(self) -> None:
        path = os.environ.get(VARIABLE)  # not set without a supervisor, as in the verification of an archive
        self._file = os.open(path, os.O_RDONLY) if path else None

    @contextmanager
    def batch(self) -> Iterator[bool]:
        """Hold the lock during one server batch; yield whether the batch is to be declined."""
        if self._file is None:
            yield False
            return
        fcntl.flock(self._file, fcntl.LOCK_SH)
        try:
            yield os.fstat(self._file).st_size > 0
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
