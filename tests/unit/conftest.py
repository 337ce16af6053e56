"""Fixtures of the unit level."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_client import intake, sending
from tests.unit.desk import Desk
from tests.unit.stub_service import stub_service


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(intake, "_SETTLE_SECONDS", 0)
    monkeypatch.setattr(sending, "_FIRST_PAUSE_SECONDS", 0.001)
    with stub_service() as stub:
        yield Desk(tmp_path, stub)
