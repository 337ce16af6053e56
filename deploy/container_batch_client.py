#!/opt/venv/bin/python3
"""The program ``batch-client`` of the image: what a run by hand logs is in the container's log as well.

``docker compose exec batch batch-client run`` prints to the terminal it was started from, and its log lines go to
``batch.log``; without this, ``docker compose logs batch`` would know of the schedule's runs alone.
"""

import logging
import os
from pathlib import Path

from batch_client.cli import app

_CONTAINER_LOG = Path("/proc/1/fd/2")  # where the first process, the schedule, prints its lines


def copy_lines(logger: logging.Logger) -> None:
    """Print each line of a logger into the container's log, in the format that the program chose for its file."""
    try:
        container_log = _CONTAINER_LOG.open("w", encoding="utf-8")
    except OSError:  # an engine that keeps others off: the line is in batch.log
        return

    def copy(record: logging.LogRecord) -> bool:
        for handler in logger.handlers[:1]:
            print(handler.format(record), file=container_log, flush=True)
        return True

    logger.addFilter(copy)  # not a handler: the program replaces those when it sets its log up


if __name__ == "__main__":
    if os.getpid() != 1:
        copy_lines(logging.getLogger("batch_client"))
    app()
