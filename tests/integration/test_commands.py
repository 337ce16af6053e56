"""The commands on results and the schedule, as a person runs them."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from batch_client.exit_codes import ExitCode
from batch_client.pipeline.pictures import MediaStore
from results.database import Database
from results.schema import photos
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import encoded, striped
from tests.support.stub_service import NOT_A_PHOTO, prediction


@pytest.fixture
def night(rig: BatchRig) -> BatchRig:
    """A desk after a night: two photos of returns, one bad file."""
    for index in range(2):
        (rig.inbox / f"{index}.jpg").write_bytes(encoded(striped(seed=index)))
    rig.add("bad.jpg")
    (rig.inbox / "manifest.csv").write_text("filename,return_id\n0.jpg,R-0\n1.jpg,R-1\n")
    rig.stub.answer = lambda body, attempt: NOT_A_PHOTO if body.startswith(b"photo") else prediction()
    rig.environment["AUDIT_SHARE"] = "1"
    rig.run()
    return rig


def test_export(night: BatchRig, tmp_path: Path) -> None:
    code, output = night.run("export", "1")
    assert code == ExitCode.OK
    rows = list(csv.DictReader(io.StringIO(output.removeprefix("\ufeff"))))
    assert {row["filename"]: row["status"] for row in rows} == {
        "0.jpg": "classified",
        "1.jpg": "classified",
        "bad.jpg": "failed",
    }
    as_json = json.loads(night.run("export", "1", "--json")[1])
    assert [row["filename"] for row in as_json] == [row["filename"] for row in rows]
    for file_format in ("csv", "json", "parquet", "html"):
        path = tmp_path / f"run.{file_format}"
        assert night.run("export", "1", "--format", file_format, "--output", str(path))[0] == ExitCode.OK
        assert path.stat().st_size > 100
    assert night.run("export", "1", "--format", "html")[0] == ExitCode.USAGE
    assert "there is no run 9" in night.run("export", "9")[1]


def test_reports_are_written_after_each_run(night: BatchRig, tmp_path: Path) -> None:
    night.environment["REPORT_DIR"] = str(tmp_path / "reports")
    night.run()
    assert "bad.jpg" in (tmp_path / "reports" / "run-2.html").read_text()
    assert json.loads((tmp_path / "reports" / "run-2.json").read_text())["known"] == 3


def test_verify(night: BatchRig) -> None:
    assert night.run("verify") == (ExitCode.OK, "nothing is wrong\n")
    night.change("DELETE FROM predictions_history WHERE id = 1")
    code, output = night.run("verify", "--json")
    assert code == ExitCode.RESULTS
    kinds = {problem["kind"] for problem in json.loads(output)}
    assert kinds == {"accounting", "no_prediction", "orphan", "queue"}, "its place in the review queue is an orphan"


def test_purge(night: BatchRig, tmp_path: Path) -> None:
    pictures = sorted((tmp_path / "media").rglob("*.jpg"))
    assert len(pictures) == 4
    code, output = night.run("purge", "--return-id", "R-0", "--json")
    assert code == ExitCode.OK
    said = json.loads(output)
    assert [said[name] for name in ("photos", "predictions", "reviews", "files")] == [1, 1, 0, 2]
    assert night.rows("SELECT filename FROM predictions") == [("1.jpg",)]
    assert len(list((tmp_path / "media").rglob("*.jpg"))) == 2
    assert night.run("verify")[0] == ExitCode.OK
    removed = "removed 0 photos, 0 predictions, 0 reviews, 0 pictures, 0 original files"
    assert night.run("purge", "--older-than", "1d")[1].splitlines()[-1] == removed
    for arguments in ([], ["--older-than", "1d", "--return-id", "R"], ["--older-than", "soon"], ["--return-id", ""]):
        assert night.run("purge", *arguments)[0] == ExitCode.USAGE


def test_the_desk_gets_its_turn_during_a_long_purge(rig: BatchRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite has one writer at a time; whoever waits asks at intervals and must find it free."""
    filled = Database(str(rig.results))
    with filled.writing() as connection:
        row = {"source": "s", "bytes": 1, "status": "failed", "return_id": "R", "created_at": ""}
        rows = [{**row, "filename": f"{number}", "sha256": f"{number:064x}"} for number in range(4000)]
        connection.execute(insert(photos), rows)
    begun, waited_for = 0, []  # transactions of the purge; of these, those that began while the desk waited
    purged = threading.Event()

    def decide() -> None:
        while not purged.is_set():
            before = begun
            with filled.writing():
                waited_for.append(begun - before)
            time.sleep(0.01)

    def slow_remove(*_: object) -> int:
        nonlocal begun
        begun += 1
        time.sleep(0.4)
        return 0

    monkeypatch.setattr(MediaStore, "remove", slow_remove)
    with ThreadPoolExecutor() as pool:
        deciding = pool.submit(decide)
        code, output = rig.run("purge", "--return-id", "R", "--json")
        purged.set()
        deciding.result()
    filled.close()
    assert (code, json.loads(output)["photos"]) == (ExitCode.OK, 4000)
    assert begun >= 8
    assert max(waited_for) < 4


def test_coming_times(rig: BatchRig) -> None:
    rig.environment |= {"BATCH_SCHEDULE": "30 2 * * 0", "TZ": "Europe/Berlin"}
    code, output = rig.run("schedule", "--next", "2", "--json")
    assert code == ExitCode.OK
    assert all("T02:30" in moment for moment in json.loads(output))
    rig.environment["BATCH_SCHEDULE"] = "61 2 * * *"
    code, output = rig.run("schedule", "--next", "1")
    assert (code, "minute" in output) == (ExitCode.USAGE, True)


def start_schedule(rig: BatchRig) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "batch_client", "schedule"],
        env={**os.environ, **rig.environment, "BATCH_SCHEDULE": "0 2 * * *"},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_missed_night_is_caught_up_once_and_a_signal_ends_the_schedule(rig: BatchRig) -> None:
    rig.add("a.jpg")
    rig.run()
    rig.change("UPDATE runs SET started_at = '2026-01-01T02:00:00.000Z'")
    program = start_schedule(rig)
    wait_for(lambda: rig.rows("SELECT count(*) FROM runs WHERE status = 'finished'") == [(2,)])
    program.send_signal(signal.SIGTERM)
    _, log = program.communicate(timeout=60)
    assert program.returncode == 0
    assert "run 2: found=1" in log
    program = start_schedule(rig)
    assert program.stderr is not None
    due = next(line for line in program.stderr if "the next run is due at" in line).split()[-1]
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=60)
    assert datetime.fromisoformat(due) > datetime.now(UTC)
    assert rig.rows("SELECT count(*) FROM runs") == [(2,)]


def test_a_signal_in_the_middle_of_a_run_ends_run_and_schedule(rig: BatchRig) -> None:
    rig.add("a.jpg")
    rig.run()
    rig.add(*(f"{i:03}.jpg" for i in range(200)))
    rig.stub.seconds = 0.2
    rig.change("UPDATE runs SET started_at = '2026-01-01T02:00:00.000Z'")
    program = start_schedule(rig)
    wait_for(lambda: len(rig.stub.photos) > 20)
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=60)
    run = rig.newest_run()
    assert (run["status"], run["exit_code"], run["found"]) == ("stopped", ExitCode.INTERRUPTED, 201)


@pytest.mark.parametrize(
    "arguments",
    [["runs"], ["show", "1"], ["report", "1"], ["returns"], ["export", "1"], ["verify"], ["decide", "--all"]],
)
def test_a_reading_command_creates_no_database(rig: BatchRig, arguments: list[str], tmp_path: Path) -> None:
    """A typing error in RESULTS_DB would look like results that are empty."""
    mistyped = tmp_path / "dta" / "results.db"
    rig.environment["RESULTS_DB"] = str(mistyped)
    code, output = rig.run(*arguments)
    assert code == ExitCode.RESULTS
    assert f"there are no results at {mistyped}; check RESULTS_DB" in output
    assert not mistyped.parent.exists()


def test_status_says_that_there_are_no_results_yet(rig: BatchRig, tmp_path: Path) -> None:
    absent = tmp_path / "new" / "results.db"
    rig.environment["RESULTS_DB"] = str(absent)
    code, output = rig.run("status")
    assert code == ExitCode.OK
    assert output.startswith(f"ready: no results yet at {absent}, model ")
    assert not absent.parent.exists()
    rig.run()
    assert rig.run("status")[1].startswith("ready: results open, model ")
