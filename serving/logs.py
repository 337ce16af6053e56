"""The log of the server: one JSON object for each line, on stdout and in ``app.log``."""

import json
import logging
import sys
import time
from collections.abc import Iterable
from logging.handlers import RotatingFileHandler
from pathlib import Path

_BYTES = 10_000_000
_OLD_FILES = 5
log = logging.getLogger("serving")


class _JsonLines(logging.Formatter):
    """Format records as ``log4j2.xml`` does. A message that already is a JSON object stays as it is."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        message = record.getMessage()
        if _is_object(message):
            return message
        moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z"
        entry = {"time": moment, "level": record.levelname, "logger": record.name, "message": message}
        return json.dumps({**entry, "exception": ""}, ensure_ascii=False, separators=(",", ":"))


def set_up(path: Path) -> None:
    """Send our log and that of the engine to stdout and to a file, rotated at 10 MB, with five old files."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    fault = why_no_file(path)
    if fault is None:
        handlers.append(RotatingFileHandler(path, maxBytes=_BYTES, backupCount=_OLD_FILES, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(_JsonLines())
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    if fault is not None:
        log.warning(fault)


def why_no_file(path: Path) -> str | None:
    """Return None if the log file can be written, otherwise a sentence with the reason and the remedy."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        return f"{path} cannot be written ({error.strerror}); there is no log file. Set LOG_DIR to another folder."
    return None


def relay(lines: Iterable[bytes]) -> None:
    """Log each line that the engine prints, until it ends. Java and some of its libraries print plain text."""
    engine = log.getChild("engine")
    for line in lines:
        if text := line.decode("utf-8", "replace").rstrip():
            engine.info("%s", text)


def _is_object(text: str) -> bool:
    try:
        return text.startswith("{") and isinstance(json.loads(text), dict)
    except ValueError:
        return False
