"""``batch-client purge`` and ``verify`` on everything that is kept of a photo outside the database's tables."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch_client.exit_codes import ExitCode
from batch_client.purging import command
from results.database import Database
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import encoded, striped
from tests.support.stub_service import NOT_A_PHOTO, prediction

GONE, KEPT = "jane-doe", "other"
MANIFEST = "filename,return_id\n" + "".join(
    f"{name}/{photo},R-{name}\n" for name in (GONE, KEPT) for photo in ("a.jpg", "bad.jpg")
)


@pytest.fixture
def night(rig: BatchRig, tmp_path: Path) -> BatchRig:
    """A night of two returns, each with a photo and a file that is none; classified files are moved."""
    rig.environment |= {"PROCESSED": "move", "REPORT_DIR": str(tmp_path / "reports"), "SETTLE_S": "0"}
    rig.add(f"{GONE}/bad.jpg", f"{KEPT}/bad.jpg")
    for colour, name in enumerate((GONE, KEPT)):
        (rig.inbox / name / "a.jpg").write_bytes(encoded(striped(seed=colour)))
    (rig.inbox / "manifest.csv").write_text(MANIFEST)
    review = prediction()[1] | {"decision": "review", "reason": "low_confidence"}
    rig.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else (200, review)
    assert rig.run()[0] == ExitCode.PHOTOS_FAILED
    export = tmp_path / "reports" / "photos.csv"
    assert rig.run("export", "1", "--output", str(export))[0] == ExitCode.OK
    assert rig.run("export", "1", "--output", str(tmp_path / "reports" / "copy.html"), "--format", "html")[0] == 0
    return rig


def files_that_name(folder: Path, word: bytes) -> list[str]:
    """Return the files below a folder whose path or content has a word."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(
        str(path.relative_to(folder))
        for path in files
        if word in path.read_bytes() or word in str(path.relative_to(folder)).encode()
    )


def test_nothing_names_a_purged_return(night: BatchRig, tmp_path: Path) -> None:
    desk = Database(str(night.results))  # a desk that runs keeps the write-ahead log
    with desk.writing() as connection:
        connection.exec_driver_sql("UPDATE photos SET bytes = bytes + 1")
    before = files_that_name(tmp_path, GONE.encode())
    assert {"data/results.db-wal", "log/batch.log", "reports/run-1.html", "reports/run-1.json"} <= set(before)
    assert {f"processed/{GONE}/a.jpg", f"quarantine/{GONE}/bad.jpg"} <= set(before)
    kept = files_that_name(tmp_path, KEPT.encode())
    log_size = (tmp_path / "log" / "batch.log").stat().st_size
    code, output = night.run("purge", "--return-id", f"R-{GONE}", "--json")
    said = json.loads(output)
    assert code == ExitCode.OK
    assert (said["photos"], said["files"], len(said["originals"]), said["reports"]) == (2, 2, 2, [1])
    assert files_that_name(tmp_path, GONE.encode()) == ["inbox/manifest.csv", "reports/copy.html"]
    assert f"{tmp_path}/reports/copy.html: it names a photo, or cannot be searched" in said["not_reached"]
    assert not (tmp_path / "processed" / GONE).exists()
    assert not (tmp_path / "quarantine" / GONE).exists()
    assert set(kept) - set(files_that_name(tmp_path, KEPT.encode())) == {"data/results.db-wal"}
    assert (tmp_path / "log" / "batch.log").stat().st_size == log_size, "a program that writes to it goes on"
    assert (tmp_path / "data" / "results.db-wal").stat().st_size == 0
    assert KEPT in (tmp_path / "reports" / "photos.csv").read_text()
    desk.close()
    assert night.run("verify") == (ExitCode.OK, "nothing is wrong\n")


def test_a_preview_changes_nothing(night: BatchRig, tmp_path: Path) -> None:
    def state() -> dict[str, bytes]:
        kept = [path for path in tmp_path.rglob("*") if path.is_file() and "results.db" not in path.name]
        return {str(path): path.read_bytes() for path in kept}

    before, rows = state(), night.rows("SELECT * FROM photos")
    previewed = json.loads(night.run("purge", "--return-id", f"R-{GONE}", "--dry-run", "--json")[1])
    code, text = night.run("purge", "--return-id", f"R-{GONE}", "--dry-run")
    assert (code, state(), night.rows("SELECT * FROM photos")) == (ExitCode.OK, before, rows)
    assert "would remove 2 photos" in text
    assert f"would remove {tmp_path}/processed/{GONE}/a.jpg" in text
    done = json.loads(night.run("purge", "--return-id", f"R-{GONE}", "--json")[1])
    counted_when_done = {"predictions", "reviews", "files"}
    assert {name: previewed[name] for name in previewed.keys() - counted_when_done} == {
        name: done[name] for name in done.keys() - counted_when_done
    }


def test_a_person_is_asked(night: BatchRig, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [False, True]
    monkeypatch.setattr(command, "_is_terminal", lambda: True)
    monkeypatch.setattr(command, "_confirmed", lambda count: answers.pop(0))
    arguments = ("purge", "--return-id", f"R-{GONE}")
    assert night.run(*arguments) == (ExitCode.OK, "nothing was deleted\n")
    assert night.rows("SELECT count(*) FROM photos") == [(4,)]
    assert night.run(*arguments)[0] == ExitCode.OK
    assert night.rows("SELECT count(*) FROM photos") == [(2,)]
    assert night.run("purge", "--return-id", f"R-{KEPT}", "--yes")[0] == ExitCode.OK
    assert answers == []


def test_a_file_of_the_same_name_and_content_stays_with_its_other_photo(night: BatchRig, tmp_path: Path) -> None:
    """The same folder may be read under two names, and one file then belongs to two photos."""
    columns = "filename, sha256, bytes, status, created_at, model_version, contract_version"
    night.change(
        f"INSERT INTO photos (source, return_id, {columns}, photo_fault) "
        f"SELECT 'elsewhere', 'R-2', {columns}, 0 FROM photos WHERE filename = '{GONE}/a.jpg'"
    )
    night.run("purge", "--return-id", f"R-{GONE}")
    assert (tmp_path / "processed" / GONE / "a.jpg").exists()
    assert len(list((tmp_path / "media").rglob("*.jpg"))) == 4, "its picture stays, too"


def test_other_bytes_under_the_name_of_a_purged_photo_stay(night: BatchRig, tmp_path: Path) -> None:
    place = tmp_path / "processed" / GONE / "a.jpg"
    beside = place.with_name(f"a.{'0' * 12}.jpg")
    place.rename(beside)
    place.write_bytes(b"another photo")
    night.run("purge", "--return-id", f"R-{GONE}")
    assert place.read_bytes() == b"another photo"


def test_originals_in_the_source_are_named_or_deleted(rig: BatchRig) -> None:
    rig.add("a.jpg", "b.jpg")
    rig.run()
    said = json.loads(rig.run("purge", "--older-than", "1h", "--dry-run", "--json")[1])
    assert said["photos"] == 0
    rig.change("UPDATE photos SET return_id = filename")
    first = rig.run("purge", "--return-id", "a.jpg")[1]
    assert f"1 originals in {rig.inbox}: the next run would classify them again" in first
    assert (rig.inbox / "a.jpg").exists()
    second = rig.run("purge", "--return-id", "b.jpg", "--from-source")[1]
    assert "1 original files" in second
    assert [path.name for path in rig.inbox.iterdir()] == ["a.jpg"]


def test_a_clock_that_is_ahead_deletes_no_more_than_the_newest_photo_allows(
    rig: BatchRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.add("old.jpg", "new.jpg")
    rig.run()
    for table, column in (("photos", "created_at"), ("predictions_history", "timestamp")):
        name = "filename" if table == "photos" else "(SELECT filename FROM photos WHERE id = photo_id)"
        rig.change(f"UPDATE {table} SET {column} = '2026-01-01T00:00:00.000Z' WHERE {name} = 'old.jpg'")
        rig.change(f"UPDATE {table} SET {column} = '2026-03-01T00:00:00.000Z' WHERE {name} = 'new.jpg'")

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Ahead":
            return cls(2027, 6, 1, tzinfo=UTC)

    monkeypatch.setattr(command, "datetime", Ahead)
    assert "counted from the newest photo, 2026-03-01" in rig.run("purge", "--older-than", "365d")[1]
    assert rig.rows("SELECT count(*) FROM photos") == [(2,)]
    rig.run("purge", "--older-than", "30d")
    assert rig.rows("SELECT filename FROM photos") == [("new.jpg",)]


def test_verify_finds_files_that_no_photo_refers_to(night: BatchRig, tmp_path: Path) -> None:
    stray = "ff" * 32
    planted = [
        tmp_path / "media" / "ff" / f"{stray}.jpg",
        tmp_path / "processed" / "nobody" / "x.jpg",
        tmp_path / "quarantine" / "lone.jpg.reason",
    ]
    for path in planted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"nobody knows me")
    moved = tmp_path / "processed" / "renamed by a person.jpg"
    (tmp_path / "processed" / KEPT / "a.jpg").rename(moved)
    code, output = night.run("verify", "--json")
    assert code == ExitCode.RESULTS
    messages = [problem["message"] for problem in json.loads(output)]
    assert [message.rpartition(" ")[2] for message in messages] == [str(path) for path in planted]
    for path in planted:
        path.unlink()
    assert night.run("verify")[0] == ExitCode.OK


def test_deleted_and_changed_text_does_not_stay_in_the_file(tmp_path: Path) -> None:
    """Whoever changed a row, desk or client: its earlier text must not stay in the free space of a page."""
    database = Database(str(tmp_path / "results.db"))
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1
    database.close()
    assert sqlite3.sqlite_version_info >= (3, 32), "older ones take fewer parameters than verify passes"


def test_an_age_is_counted_from_the_clock_where_that_is_earlier(rig: BatchRig) -> None:
    rig.add("a.jpg")
    rig.run()
    future = (datetime.now(UTC) + timedelta(days=400)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    rig.change(f"UPDATE photos SET created_at = '{future}'")
    code, output = rig.run("purge", "--older-than", "365d")
    assert (code, "counted from" in output) == (ExitCode.OK, False)
    assert rig.rows("SELECT count(*) FROM photos") == [(1,)]
