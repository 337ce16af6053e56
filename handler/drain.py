"""Is the service about to end? TorchServe drops what it has begun, so the supervisor asks us first."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "SERVING_DRAIN_SIGN"


class DrainSign:
    """The supervisor's sign: a file that is empty while photos are welcome.

    A batch holds a shared lock on it. Once the supervisor has written into the file and had it locked for itself,
    every batch that was begun before has ended, and all later ones are declined. Both cost microseconds a batch.
    """

    def __init__(self) -> None:
        path = os.environ.get(VARIABLE)  # not set where no supervisor is: at the archive's verification
        self._sign = os.open(path, os.O_RDONLY) if path else None

    @contextmanager
    def batch(self) -> Iterator[bool]:
        """Hold the sign for one server batch; gives whether the batch is to be declined."""
        if self._sign is None:
            yield False
            return
        fcntl.flock(self._sign, fcntl.LOCK_SH)
        try:
            yield os.fstat(self._sign).st_size > 0
        finally:
            fcntl.flock(self._sign, fcntl.LOCK_UN)
