#!/opt/venv/bin/python3
"""The program ``batch-client`` of the image. It copies the log of a run by hand into the log of the container.

``docker compose exec batch batch-client run`` prints to its own terminal and writes its log to ``batch.log``. Without
this program, ``docker compose logs batch`` would show scheduled runs only.
"""

import logging
import os
from pathlib import Path

from batch_client.cli import app

_CONTAINER_LOG = Path("/proc/1/fd/2")  # the output of process 1, the schedule


def copy_lines(logger: logging.Logger) -> None:
    """Print each record of a logger into the log of the container, in the format of its file."""
    try:
        container_log = _CONTAINER_LOG.open("w", encoding="utf-8")
    except OSError:  # the container engine does not allow it; batch.log has the line
        return

    def copy(record: logging.LogRecord) -> bool:
        for handler in logger.handlers[:1]:
            print(handler.format(record), file=container_log, flush=True)
        return True

    logger.addFilter(copy)  # not a handler, because the program replaces its handlers when it configures its log


if __name__ == "__main__":
    if os.getpid() != 1:
        copy_lines(logging.getLogger("batch_client"))
    app()
