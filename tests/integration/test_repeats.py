"""Photos that came before: found by their bytes or by what they show, flagged, and answered only once."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from batch_client.exit_codes import ExitCode
from results import known_photos
from results.database import Database
from results.photos import PhotoKey
from results.schema import photos as photos_table
from results.verify import verify
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import encoded, striped
from tests.support.picture_copies import PICTURES, copies
from tests.support.stored_runs import answer, night
from tests.support.stub_service import Answer, prediction


class TestRuns:
    def test_a_copy_is_flagged_with_the_earlier_id_and_goes_to_review(self, rig: BatchRig, tmp_path: Path) -> None:
        rig.environment["AUDIT_SHARE"] = "0"
        rig.environment["REPORT_DIR"] = str(tmp_path / "reports")
        with Image.open(PICTURES[0]) as picture:
            (rig.inbox / "first.jpg").write_bytes(PICTURES[0].read_bytes())
            (rig.inbox / "else.jpg").write_bytes(PICTURES[1].read_bytes())
            rig.run()
            (rig.inbox / "same.jpg").write_bytes(PICTURES[0].read_bytes())
            (rig.inbox / "copy.jpg").write_bytes(copies(picture)["half"])
        code, output = rig.run()
        assert code == ExitCode.OK
        assert "repeats of earlier photos: 1 with the same bytes, 1 of the same picture" in output
        first = rig.rows("SELECT photo_id FROM predictions WHERE filename = 'first.jpg'")[0][0]
        assert rig.rows("SELECT filename, repeat_of, repeat_kind FROM predictions ORDER BY 1") == [
            ("copy.jpg", first, "near"),
            ("else.jpg", None, None),
            ("first.jpg", None, None),
            ("same.jpg", first, "exact"),
        ]
        table = csv.DictReader(io.StringIO(rig.run("export", "2")[1].removeprefix("\ufeff")))
        assert {row["filename"]: (row["repeat_of"], row["repeat_kind"]) for row in table} == {
            "copy.jpg": (str(first), "near"),
            "same.jpg": (str(first), "exact"),
        }
        assert json.loads((tmp_path / "reports" / "run-2.json").read_text())["repeats"] == {"exact": 1, "near": 1}
        kept = {path.name.split(".")[0] for path in (tmp_path / "media").rglob("*.thumb.jpg")}
        rows = rig.rows("SELECT sha256 FROM photos WHERE repeat_of IS NOT NULL")
        assert kept == {sha256 for (sha256,) in rows}
        assert rig.run("verify")[0] == ExitCode.OK

    def test_the_same_content_is_answered_once(self, rig: BatchRig) -> None:
        """Under another path, source or return id: a row of its own, with the answer that is there."""
        rig.stub.answer = lambda body, attempt: prediction("Belts")
        rig.add("a.jpg")
        rig.run()
        (rig.inbox / "b.jpg").write_bytes((rig.inbox / "a.jpg").read_bytes())
        (rig.inbox / "manifest.csv").write_text("filename,return_id,expected_category\nb.jpg,R-2,Socks\n")
        code, output = rig.run()
        assert (code, len(rig.stub.photos)) == (ExitCode.OK, 1)
        assert "classified 1 + known 1" in output
        assert "nothing to send" in output
        rig.run("run", "--source-name", "elsewhere")
        assert len(rig.stub.photos) == 1
        query = "SELECT filename, predicted_class, confidence, top3, mismatch, reused, repeat_kind FROM predictions"
        top3 = '[{"class":"Belts","probability":0.9}]'
        assert rig.rows(f"{query} ORDER BY photo_id") == [
            ("a.jpg", "Belts", 0.9, top3, None, 0, None),
            ("b.jpg", "Belts", 0.9, top3, 1, 1, "exact"),
            ("a.jpg", "Belts", 0.9, top3, None, 1, "exact"),
            ("b.jpg", "Belts", 0.9, top3, 1, 1, "exact"),
        ]
        assert rig.run("verify")[0] == ExitCode.OK
        rig.change("UPDATE predictions_history SET reused = 1 WHERE id = 1")
        code, output = rig.run("verify")
        assert (code, output.count("marked as reused, but")) == (ExitCode.RESULTS, 4)

    def test_what_was_sent_is_sent_again_where_something_speaks_for_it(self, rig: BatchRig) -> None:
        rig.add("a.jpg")
        rig.run()
        content = (rig.inbox / "a.jpg").read_bytes()
        (rig.inbox / "b.jpg").write_bytes(content)
        rig.run("run", "--force")
        assert len(rig.stub.photos) == 3
        rig.stub.model_version = "2.0.0"
        rig.stub.answer = lambda body, attempt: prediction("Belts", "2.0.0")
        (rig.inbox / "c.jpg").write_bytes(content)
        rig.run()
        assert rig.rows("SELECT count(*) FROM predictions WHERE predicted_class = 'Belts' AND reused = 0") == [(3,)]

    def test_a_failure_is_not_copied(self, rig: BatchRig) -> None:
        rig.stub.answer = lambda body, attempt: (415, {"error": {"code": "unsupported_format", "message": "no"}})
        rig.add("a.jpg")
        rig.run()
        (rig.inbox / "b.jpg").write_bytes((rig.inbox / "a.jpg").read_bytes())
        assert rig.run()[0] == ExitCode.PHOTOS_FAILED
        assert len(rig.stub.photos) == 2


class TestRollback:
    def test_the_view_shows_the_model_in_use(self, rig: BatchRig) -> None:
        """After a model is withdrawn, the answers of the one before count again, although they are older."""
        rig.add("a.jpg", "b.jpg")
        rig.run()
        rig.stub.model_version = "2.0.0"
        rig.stub.answer = lambda body, attempt: prediction("Belts", "2.0.0")
        rig.run()
        shown = "SELECT filename, predicted_class, model_version FROM predictions ORDER BY 1"
        assert rig.rows(shown) == [("a.jpg", "Belts", "2.0.0"), ("b.jpg", "Belts", "2.0.0")]
        rig.stub.model_version = "1.0.0"
        (rig.inbox / "b.jpg").unlink()  # not in the folder tonight: its newest answer stays
        code, output = rig.run()
        assert (code, "known 1" in output, len(rig.stub.photos)) == (ExitCode.OK, True, 4)
        assert rig.rows(shown) == [("a.jpg", "Socks", "1.0.0"), ("b.jpg", "Belts", "2.0.0")]
        assert rig.run("verify")[0] == ExitCode.OK
        rig.stub.model_version = "2.0.0"
        rig.run()
        assert rig.rows(shown) == [("a.jpg", "Belts", "2.0.0"), ("b.jpg", "Belts", "2.0.0")]

    def test_a_photo_that_is_shown_by_no_answer_is_told(self, database: Database) -> None:
        night(database, answer("a.jpg", "aa"))
        with database.writing() as connection:
            connection.execute(photos_table.update().values(model_version="9.9.9"))
            assert [problem.kind for problem in verify(connection)] == ["no_prediction"]

    def test_contradictions_of_repeats_are_told(self, database: Database) -> None:
        night(database, answer("a.jpg", "aa"), answer("b.jpg", "aa"), answer("c.jpg", "cc"))
        with database.writing() as connection:
            for name, kind in (("b.jpg", "near"), ("c.jpg", "exact")):
                of_photo = photos_table.c.filename == name
                connection.execute(photos_table.update().where(of_photo).values(repeat_kind=kind))
            assert [problem.kind for problem in verify(connection)] == ["repeat", "repeat"]


class TestPicturesOfKnownPhotos:
    @pytest.mark.parametrize("reason", ["repeat", "mismatch"])
    def test_what_a_killed_run_did_not_keep_the_next_keeps(self, rig: BatchRig, tmp_path: Path, reason: str) -> None:
        rig.environment["AUDIT_SHARE"] = "0"
        (rig.inbox / "a.jpg").write_bytes(PICTURES[0].read_bytes())
        rig.run()
        if reason == "repeat":
            (rig.inbox / "b.jpg").write_bytes(PICTURES[0].read_bytes())
            rig.run()
            for path in (tmp_path / "media").rglob("*.jpg"):  # as if killed between storing and keeping
                path.unlink()
        else:
            (rig.inbox / "manifest.csv").write_text("filename,expected_category\na.jpg,Belts\n")
        rig.run()
        assert len(list((tmp_path / "media").rglob("*.jpg"))) == 2
        assert len(rig.stub.photos) == 1

    def test_nothing_is_kept_of_what_nobody_looks_at(self, rig: BatchRig, tmp_path: Path) -> None:
        rig.environment["AUDIT_SHARE"] = "0"
        (rig.inbox / "a.jpg").write_bytes(encoded(striped()))
        for _ in range(2):
            rig.run()
        assert list((tmp_path / "media").rglob("*.jpg")) == []


def test_a_failed_photo_that_recovers_is_compared_then(rig: BatchRig) -> None:
    with Image.open(PICTURES[0]) as picture:
        copy = copies(picture)["jpeg"]
    (rig.inbox / "a.jpg").write_bytes(PICTURES[0].read_bytes())
    (rig.inbox / "b.jpg").write_bytes(copy)

    def broken(body: bytes, attempt: int) -> Answer:
        return (500, b"") if body == copy else prediction()

    rig.stub.answer = broken
    rig.run()
    rig.stub.answer = lambda body, attempt: prediction()
    rig.run()
    first = rig.rows("SELECT photo_id FROM predictions WHERE filename = 'a.jpg'")[0][0]
    assert rig.rows("SELECT repeat_of, repeat_kind FROM predictions WHERE filename = 'b.jpg'") == [(first, "near")]


def test_known_tells_whose_answer_is_shown(database: Database) -> None:
    key = PhotoKey("/inbox", "a.jpg", "aa" * 32)
    night(database, answer("a.jpg", "aa"))
    night(database, replace(answer("a.jpg", "aa"), model_version="2.0.0"))
    with database.reading() as connection:
        shown = {
            version: known_photos.find_known(connection, [key], version, "1")[key].shown
            for version in ("1.0.0", "2.0.0")
        }
    assert shown == {"1.0.0": False, "2.0.0": True}
