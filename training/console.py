"""What the commands have in common: known faults are one line."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def spoken_errors() -> Iterator[None]:
    """Say what is wrong with data or options in one line, without a traceback."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        raise SystemExit(f"training: {error}") from error
