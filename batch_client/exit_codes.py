"""What the program's exit code says."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of ``batch-client``."""

    OK = 0  # every photo found is classified or known, or still being written
    BUG = 1
    USAGE = 2  # wrong command or settings, source or manifest
    SERVICE_AWAY = 3
    PHOTOS_FAILED = 4  # finished, some photos newly failed
    RESULTS = 5  # results or disk
    TIME_LIMIT = 6
    LOCKED = 75  # another run has the results
    INTERRUPTED = 130  # Ctrl-C; what was answered is stored
