"""What the batch client writes is about people: other users of the machine must not read it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_client.exit_codes import ExitCode
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import encoded, striped
from tests.support.stub_service import NOT_A_PHOTO, prediction


@pytest.fixture
def ordinary_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("ordinary_umask")
def test_nothing_that_a_run_writes_is_readable_by_others(rig: BatchRig, tmp_path: Path) -> None:
    rig.add("bad.jpg")
    (rig.inbox / "r-1").mkdir()
    (rig.inbox / "r-1" / "good.jpg").write_bytes(encoded(striped()))
    theirs = set(tmp_path.rglob("*"))
    rig.environment["RESULTS_DB"] = str(tmp_path / "new" / "results.db")
    rig.environment |= {"PROCESSED": "move", "REPORT_DIR": str(tmp_path / "reports"), "AUDIT_SHARE": "1"}
    rig.stub.answer = lambda body, attempt: NOT_A_PHOTO if body.startswith(b"photo") else prediction()
    assert rig.run()[0] == ExitCode.PHOTOS_FAILED
    assert rig.run("export", "1", "--output", str(tmp_path / "run.csv"))[0] == ExitCode.OK
    written = [path for path in tmp_path.rglob("*") if path not in theirs]
    names = {path.name for path in written}
    assert {"results.db", "batch.log", "run-1.html", "run-1.json", "run.csv", "bad.jpg.reason", "media"} <= names
    moved = {"good.jpg", "bad.jpg"}  # they keep the mode that their sender gave them, in folders that are private
    assert [path for path in written if path.name not in moved and path.stat().st_mode & 0o077] == []
    assert os.umask(0o022) == 0o022, "the mask of this process is as it was"
