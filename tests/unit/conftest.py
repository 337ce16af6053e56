"""Fixtures of the unit level."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_client.inference import retry
from batch_client.pipeline.pictures import MediaStore
from batch_client.sources import local
from results.database import Database
from tests.support.batch_rig import BatchRig
from tests.support.postgresql import PostgreSQL
from tests.support.stub_service import stub_service


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchRig]:
    monkeypatch.setattr(local, "SETTLE_SECONDS", 0)
    monkeypatch.setattr(retry, "_FIRST_PAUSE_SECONDS", 0.001)
    with stub_service() as stub:
        yield BatchRig(tmp_path, stub)


@pytest.fixture
def media(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty results database, once of each kind."""
    if request.param == "sqlite":
        opened = Database(str(tmp_path / "results.db"))
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        opened = Database(server.new_database())
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def log_as_found() -> Iterator[None]:
    """Undo what the program does to its logger, for the next test in this process."""
    yield
    log = logging.getLogger("batch_client")
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()
    log.propagate = True
