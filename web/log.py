"""The desk's log: one line an event on stderr, as text or as JSON."""

import json
import logging
import logging.config
from typing import Any, Literal

LogFormat = Literal["text", "json"]


class _TextLines(logging.Formatter):
    """Formats a record for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line; a traceback follows on lines of its own."""
        fields = "".join(f" {name}={_printable(str(value))}" for name, value in _fields(record).items())
        line = f"{_time(self, record)} {record.levelname:7} {_printable(record.getMessage())}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonLines(logging.Formatter):
    """Formats a record for programs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one JSON object."""
        entry = {
            "time": _time(self, record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps({**_fields(record), **entry}, ensure_ascii=False)


def configure(line_format: LogFormat) -> None:
    """Send the log of the desk and of uvicorn to stderr."""
    formatter = _JsonLines if line_format == "json" else _TextLines
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"lines": {"()": formatter}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
            "root": {"level": "INFO", "handlers": ["stderr"]},
            "loggers": {"alembic": {"level": "WARNING"}},  # it reports every start, also when there is nothing to do
        }
    )


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


def _time(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatTime(record, "%Y-%m-%dT%H:%M:%S%z")


def _printable(text: str) -> str:
    """Escape control characters: a name must not begin a line of its own, nor colour a terminal."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
