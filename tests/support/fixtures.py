"""Fixtures of several levels."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_client.pipeline.pictures import MediaStore


@pytest.fixture
def media(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media")


@pytest.fixture(autouse=True)
def log_as_found() -> Iterator[None]:
    """Undo what the batch client does to its logger, so that the next test in this process starts clean."""
    yield
    log = logging.getLogger("batch_client")
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()
    log.propagate = True  # pytest gives a logger that does not propagate a handler of its own, and counts lines twice
