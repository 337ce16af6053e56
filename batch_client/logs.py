"""One line a run and a failure, on stderr and in ``batch.log``."""

import json
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Literal

from batch_client.sources.names import UNSAFE, visible

_BYTES = 10_000_000
_OLD_FILES = 5
log = logging.getLogger("batch_client")


class _JsonLines(logging.Formatter):
    """One JSON object a line, with what a record carries as ``extra={"fields": {...}}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        entry = {"time": _time(self, record), "level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        # A field may have a name of ours, such as a run's message: what the line says itself stands.
        line = json.dumps({**entry, **getattr(record, "fields", {}), **entry}, ensure_ascii=False)
        return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", line)  # json.dumps escapes some of them only


class _TextLines(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        line = f"{_time(self, record)} {record.levelname:7} {visible(record.getMessage())}"
        if not record.exc_info:
            return line
        return "\n".join([line, *map(visible, self.formatException(record.exc_info).splitlines())])


def _time(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatTime(record, "%Y-%m-%dT%H:%M:%S%z")


def set_up(folder: Path | None, line_format: Literal["text", "json"], to_terminal: bool) -> None:
    """Send our log lines where they belong; called once, by the program's entry.

    Args:
        folder: of ``batch.log``, rotated at 10 MB, five old ones kept; None for no file.
        line_format: of the file and of the terminal.
        to_terminal: print the lines as well, for a scheduler whose output is the log.

    A folder that cannot be written stops no night: the lines then go to the terminal.
    """
    formatter = _JsonLines() if line_format == "json" else _TextLines()
    handlers: list[logging.Handler] = [logging.StreamHandler()] if to_terminal else []
    problem = ""
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / "batch.log"
            handlers.append(RotatingFileHandler(path, maxBytes=_BYTES, backupCount=_OLD_FILES, encoding="utf-8"))
        except OSError as error:
            problem = f"LOG_DIR ({folder}) cannot be written: {error.strerror or error}; the log goes to the terminal"
            handlers = handlers or [logging.StreamHandler()]
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()
    for handler in handlers:
        handler.setFormatter(formatter)
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    if problem:
        log.error("%s", problem)
