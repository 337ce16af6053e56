"""Fixtures of the integration level: the batch client against a stub service, results on both engines."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_client.sources import manifest_file, source
from results.database import Database
from tests.support.batch_rig import BatchRig
from tests.support.fixtures import log_as_found, media
from tests.support.postgresql import PostgreSQL
from tests.support.stub_service import stub_service

__all__ = ["log_as_found", "media"]


@pytest.fixture
def rig(tmp_path: Path, migrated_results: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchRig]:
    monkeypatch.setattr(source, "STABLE_SECONDS", 0)
    monkeypatch.setattr(manifest_file, "STABLE_SECONDS", 0)
    with stub_service() as stub:
        rig = BatchRig(tmp_path, stub)
        rig.results.parent.mkdir()
        shutil.copyfile(migrated_results, rig.results)
        yield rig


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, migrated_results: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty results database, once of each kind."""
    if request.param == "sqlite":
        opened = Database(str(shutil.copyfile(migrated_results, tmp_path / "results.db")))
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        opened = Database(server.migrated_database())
    yield opened
    opened.close()
