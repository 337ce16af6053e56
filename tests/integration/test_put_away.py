"""What becomes of the files of stored photos, and which pictures the desk gets of them."""

import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from batch_client.exit_codes import ExitCode
from batch_client.pipeline.file_disposition import FileDisposition, Processed
from batch_client.pipeline.photo import Photo
from batch_client.sources.local import FoundFile
from batch_client.sources.source import settle
from results.orders import NO_ORDER
from results.photos import PhotoKey
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import encoded, striped
from tests.support.stub_service import (
    NOT_A_PHOTO,
    Answer,
    prediction,
)


class TestFiles:
    def test_moved(self, rig: BatchRig, tmp_path: Path) -> None:
        rig.add("a.jpg", "sub/b.jpg", "bad.jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        rig.run("run", "--processed", "move")
        assert [path for path in rig.inbox.rglob("*") if path.is_file()] == []
        assert (tmp_path / "processed" / "sub" / "b.jpg").read_bytes() == b"photo sub/b.jpg"
        assert (tmp_path / "quarantine" / "bad.jpg").exists()
        assert "unsupported_format: These bytes" in (tmp_path / "quarantine" / "bad.jpg.reason").read_text()
        (rig.inbox / "a.jpg").write_bytes(b"another photo of the same name")
        rig.run("run", "--processed", "move")
        assert len(list((tmp_path / "processed").glob("a*.jpg"))) == 2

    def test_a_folder_may_have_the_name_of_an_earlier_photo(self, rig: BatchRig, tmp_path: Path) -> None:
        (tmp_path / "processed").mkdir()
        (tmp_path / "processed" / "R-1").write_bytes(b"a photo without an ending")
        rig.add("R-1/front.jpg")
        assert rig.run("run", "--processed", "move")[0] == ExitCode.OK
        assert (tmp_path / "processed" / "R-1.folder" / "front.jpg").exists()

    def test_a_file_that_cannot_be_put_away_keeps_no_other_back(self, rig: BatchRig, tmp_path: Path) -> None:
        (tmp_path / "processed").mkdir()
        for name in ("R-1", "R-1.folder"):
            (tmp_path / "processed" / name).touch()
        rig.add("R-1/front.jpg", "a.jpg")
        for night in range(2):
            rig.add(f"z{night}.jpg")
            assert rig.run("run", "--processed", "move")[0] == ExitCode.RESULTS
            assert (rig.inbox / "R-1" / "front.jpg").exists()
            assert (tmp_path / "processed" / f"z{night}.jpg").exists()
        assert (tmp_path / "processed" / "a.jpg").exists()
        assert rig.rows("SELECT status, classified, known FROM runs ORDER BY id") == [
            ("finished", 3, 0),
            ("finished", 1, 1),
        ]
        message = rig.rows("SELECT message FROM runs")[0][0]
        assert message.startswith("1 not put away: R-1/front.jpg cannot be put away: ")

    def test_deleted(self, rig: BatchRig) -> None:
        rig.add("a.jpg")
        rig.run("run", "--processed", "delete")
        assert list(rig.inbox.iterdir()) == []
        assert rig.rows("SELECT count(*) FROM predictions") == [(1,)]

    def test_a_file_that_a_killed_run_did_not_move_is_moved_by_the_next(self, rig: BatchRig, tmp_path: Path) -> None:
        rig.add("a.jpg")
        rig.run()  # stored, but the file is still there
        rig.run("run", "--processed", "move")
        assert (tmp_path / "processed" / "a.jpg").exists()
        assert not (rig.inbox / "a.jpg").exists()
        assert len(rig.stub.photos) == 1

    def test_kept_with_a_copy_in_quarantine(self, rig: BatchRig, tmp_path: Path) -> None:
        rig.add("bad.jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO
        rig.run()
        assert (rig.inbox / "bad.jpg").exists()
        assert (tmp_path / "quarantine" / "bad.jpg").read_bytes() == b"photo bad.jpg"

    @pytest.mark.parametrize("variable", ["PROCESSED_DIR", "QUARANTINE_DIR", "MEDIA_DIR", "LOG_DIR", "RESULTS_DB"])
    def test_nothing_of_ours_lies_inside_the_source(self, rig: BatchRig, variable: str) -> None:
        rig.environment[variable] = str(rig.inbox / "ours")
        code, output = rig.run()
        assert code == ExitCode.USAGE
        assert variable in output

    def test_a_new_photo_under_an_old_name_is_not_taken_for_the_old_one(self, rig: BatchRig) -> None:
        rig.add("a.jpg")

        def answer(body: bytes, attempt: int) -> Answer:
            (rig.inbox / "a.jpg").write_bytes(b"uploaded meanwhile")
            return prediction()

        rig.stub.answer = answer
        rig.run("run", "--processed", "delete")
        assert (rig.inbox / "a.jpg").read_bytes() == b"uploaded meanwhile"

    def test_what_could_not_be_quarantined_is_by_the_next_run(self, rig: BatchRig, tmp_path: Path) -> None:
        rig.add("bad.jpg", f"{'long' * 60}.jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO
        (tmp_path / "quarantine").write_text("a file where the folder should be")
        code, _ = rig.run()
        assert code == ExitCode.RESULTS
        assert rig.newest_run()["status"] == "finished"
        (tmp_path / "quarantine").unlink()
        assert rig.run()[0] == ExitCode.OK
        assert len(list((tmp_path / "quarantine").glob("*.reason"))) == 2
        assert (tmp_path / "quarantine" / "bad.jpg").exists()

    @pytest.mark.parametrize("from_the_future", [False, True])
    def test_a_growing_file_is_not_settled(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_the_future: bool
    ) -> None:
        still, growing = tmp_path / "still.jpg", tmp_path / "growing.jpg"
        for path in (still, growing):
            path.write_bytes(b"x")
        if from_the_future:  # which says nothing of the file, and hides no other
            os.utime(still, (time.time() + 9_999, time.time() + 9_999))
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            growing.write_bytes(b"xy")

        monkeypatch.setattr(time, "sleep", sleep)
        files = [FoundFile(path, path.name) for path in (still, growing)]
        with ThreadPoolExecutor(1) as readers:
            assert [file.filename for file in settle(files, readers)] == ["still.jpg"]
        assert 0 < waited[0] <= 1


class TestPictures:
    def test_are_kept_of_what_a_person_will_look_at(self, rig: BatchRig, tmp_path: Path) -> None:
        for index, name in enumerate(("accepted", "doubtful", "mismatch", "repeat")):
            (rig.inbox / f"{name}.jpg").write_bytes(encoded(striped(seed=index)))
        (rig.inbox / "again.jpg").write_bytes((rig.inbox / "repeat.jpg").read_bytes())
        (rig.inbox / "manifest.csv").write_text("filename,expected_category\nmismatch.jpg,Belts\n")
        doubtful = (rig.inbox / "doubtful.jpg").read_bytes()

        def answer(body: bytes, attempt: int) -> Answer:
            status, value = prediction()
            return status, {**value, "decision": "review", "reason": "low_confidence"} if body == doubtful else value

        rig.stub.answer = answer
        rig.environment["AUDIT_SHARE"] = "0"
        rig.run()
        kept = {path.name.split(".")[0] for path in (tmp_path / "media").rglob("*.jpg")}
        rows = rig.rows("SELECT sha256 FROM photos WHERE filename IN ('doubtful.jpg', 'mismatch.jpg', 'repeat.jpg')")
        assert kept == {row[0] for row in rows}
        rig.environment["AUDIT_SHARE"] = "1"
        rig.run("run", "--force")
        assert rig.rows("SELECT count(*) FROM predictions_history WHERE audit") == [(4,)]
        assert len(list((tmp_path / "media").rglob("*.thumb.jpg"))) == 4

    @pytest.mark.parametrize("processed", ["move", "delete"])
    def test_a_file_stays_while_it_is_all_that_a_person_can_look_at(self, rig: BatchRig, processed: str) -> None:
        rig.add("shown by nothing but itself.jpg")
        status, value = prediction()
        rig.stub.answer = lambda body, attempt: (status, {**value, "decision": "review", "reason": "low_confidence"})
        for _ in range(2):
            rig.run("run", "--processed", processed)
            assert (rig.inbox / "shown by nothing but itself.jpg").exists()
        log = (Path(rig.environment["LOG_DIR"]) / "batch.log").read_text()
        assert log.count("shown by nothing but itself.jpg: the desk gets no picture") == 2
        assert len(rig.stub.photos) == 1
        assert len(rig.stub.pictures) == 1  # by the second run, once

    def test_a_picture_that_a_run_did_not_get_is_fetched_by_the_next(self, rig: BatchRig) -> None:
        """A run that was killed after it stored the outcome leaves the file and no picture."""
        (rig.inbox / "doubtful.jpg").write_bytes(encoded(striped()))
        status, value = prediction()
        rig.stub.answer = lambda body, attempt: (status, {**value, "decision": "review", "reason": "low_confidence"})
        make = rig.stub.picture
        rig.stub.picture = lambda photo: None
        rig.run("run", "--processed", "delete")
        assert (rig.inbox / "doubtful.jpg").exists()
        rig.stub.picture = make
        rig.run("run", "--processed", "delete")
        assert not (rig.inbox / "doubtful.jpg").exists()
        assert len(list(Path(rig.environment["MEDIA_DIR"]).rglob("*.thumb.jpg"))) == 1
        assert (len(rig.stub.photos), len(rig.stub.pictures)) == (1, 1)


def unanswered_photo(path: Path) -> Photo:
    """Return a photo as a run has read it, its bytes given back."""
    file = FoundFile(path, path.name)
    key = PhotoKey("/inbox", path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    return Photo(file, key, path.stat().st_size, NO_ORDER, file.state(), time.time())


class TestUnchanged:
    """A file is removed only if it still holds what was classified."""

    @pytest.fixture
    def reads(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        read: list[str] = []
        chunks = FoundFile.chunks

        def count(file: FoundFile) -> Iterator[bytes]:
            read.append(str(file.path))
            return chunks(file)

        monkeypatch.setattr(FoundFile, "chunks", count)
        return read

    @pytest.fixture
    def delete(self, tmp_path: Path) -> FileDisposition:
        return FileDisposition(Processed.DELETE, tmp_path / "p", tmp_path / "q", longest_tick_s=0.0)

    def test_its_state_proves_it_without_a_read(
        self, tmp_path: Path, delete: FileDisposition, reads: list[str]
    ) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(b"photo")
        time.sleep(0.05)
        delete.put_away(unanswered_photo(path), None)
        assert not path.exists()
        assert reads == []

    def test_one_that_changed_while_it_was_read_is_read_again(
        self, tmp_path: Path, delete: FileDisposition, reads: list[str]
    ) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(b"photo")
        replace(delete, longest_tick_s=60.0).put_away(unanswered_photo(path), None)
        assert not path.exists()
        assert reads == [str(path)]

    def test_another_photo_with_the_same_size_and_times_stays(self, tmp_path: Path, delete: FileDisposition) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(b"photo")
        time.sleep(0.05)
        photo = unanswered_photo(path)
        before = path.stat()
        path.write_bytes(b"other")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        delete.put_away(photo, None)
        assert path.read_bytes() == b"other"

    @pytest.mark.parametrize("night", [1, 2])
    def test_a_photo_is_read_once(self, rig: BatchRig, reads: list[str], night: int) -> None:
        """Accepted, for review, a mismatch, a repeat and a rejected one; new and known."""
        for index, name in enumerate(("accepted", "doubtful", "mismatch", "repeat")):
            (rig.inbox / f"{name}.jpg").write_bytes(encoded(striped(seed=index)))
        (rig.inbox / "again.jpg").write_bytes((rig.inbox / "repeat.jpg").read_bytes())
        (rig.inbox / "rejected.jpg").write_bytes(b"no photo")
        (rig.inbox / "manifest.csv").write_text("filename,expected_category\nmismatch.jpg,Belts\n")
        doubtful = (rig.inbox / "doubtful.jpg").read_bytes()

        def answer(body: bytes, attempt: int) -> Answer:
            if body == b"no photo":
                return NOT_A_PHOTO
            status, value = prediction()
            return status, {**value, "decision": "review", "reason": "low_confidence"} if body == doubtful else value

        rig.stub.answer = answer
        for _ in range(night):
            reads.clear()
            rig.run()
        from_inbox = [path for path in reads if path.startswith(str(rig.inbox)) and path.endswith(".jpg")]
        assert sorted(from_inbox) == sorted(str(path) for path in rig.inbox.glob("*.jpg"))
        assert len(list(Path(rig.environment["MEDIA_DIR"]).rglob("*.thumb.jpg"))) == 3
