"""Photos that came before: found by their bytes or by what they show, flagged, and answered only once."""

import base64
import csv
import io
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from sqlalchemy import select

from batch_client.exit_codes import ExitCode
from handler.fingerprint import dhash
from results import known_photos
from results.database import Database
from results.fingerprints import CANDIDATES, Fingerprint, bands_of, candidate_values, correlation, store_fingerprint
from results.lookalikes import NEAR_BITS, NEAR_CORRELATION, find_near
from results.photos import PhotoKey
from results.purge import purge_return
from results.schema import fingerprints
from results.schema import photos as photos_table
from results.verify import verify
from results.views import predictions
from service_client.responses import Prediction, ServiceFault, read_prediction
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import SAMPLES, encoded, striped
from tests.support.stored_runs import answer, night
from tests.support.stub_service import Answer, looks, prediction
from training.data import dataset

PICTURES = sorted(SAMPLES.glob("*.jpg"))
MINIATURE = bytes(range(192))


def copies(picture: Image.Image) -> dict[str, bytes]:
    """Return the picture as other programs would pass it on; a changed tone is not promised to be found."""
    half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "jpeg": encoded(picture, quality=50),
        "webp": encoded(picture, "WEBP", quality=60),
        "png": encoded(picture, "PNG"),
        "half": encoded(half, quality=75),
        "turned by EXIF": encoded(picture.transpose(Image.Transpose.ROTATE_90), exif=exif, quality=90),
    }


def fingerprint_of(photo: bytes) -> Fingerprint | None:
    """Return a photo's fingerprint as the client reads it in an answer."""
    body = prediction()[1] | {"fingerprint": looks(photo)}
    read = read_prediction(200, json.dumps(body).encode())
    assert isinstance(read, Prediction)
    seen = read.fingerprint
    return Fingerprint(seen.dhash, seen.miniature) if seen is not None else None


def alike(one: Fingerprint, other: Fingerprint) -> bool:
    near = (one.dhash ^ other.dhash).bit_count() <= NEAR_BITS
    return near and correlation(one.miniature, other.miniature) >= NEAR_CORRELATION


class TestFingerprint:
    @pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
    def test_a_copy_looks_the_same(self, path: Path) -> None:
        own = fingerprint_of(path.read_bytes())
        assert own is not None
        with Image.open(path) as picture:
            found = {name: fingerprint_of(copy) for name, copy in copies(picture).items()}
        assert [name for name, copy in found.items() if copy is None or not alike(own, copy)] == []

    def test_other_pictures_do_not(self) -> None:
        found = [fingerprint_of(path.read_bytes()) for path in PICTURES]
        with Image.open(PICTURES[0]) as picture:
            found.append(fingerprint_of(encoded(ImageOps.mirror(picture))))
        pairs = [(one, other) for one in found for other in found if one is not other]
        assert not any(alike(one, other) for one, other in pairs if one and other)

    def test_what_shows_nothing_has_none(self) -> None:
        noise = Image.effect_noise((300, 300), 8).convert("RGB")
        for nothing in (Image.new("RGB", (60, 80), "white"), Image.new("RGB", (60, 80), "red"), noise):
            assert fingerprint_of(encoded(nothing)) is None

    def test_a_service_that_cannot_tell_still_classifies(self) -> None:
        read = read_prediction(200, json.dumps(prediction()[1]).encode())
        assert isinstance(read, Prediction)
        assert read.fingerprint is None

    @pytest.mark.parametrize(
        "broken",
        [
            {"dhash": "g" * 16, "miniature": base64.b64encode(MINIATURE).decode()},
            {"dhash": "f" * 17, "miniature": base64.b64encode(MINIATURE).decode()},
            {"dhash": "f" * 16, "miniature": base64.b64encode(MINIATURE[1:]).decode()},
            {"dhash": "f" * 16, "miniature": base64.b64encode(bytes(192)).decode()},  # would divide by zero later
            {"dhash": "f" * 16},
            "f" * 16,
        ],
    )
    def test_a_broken_fingerprint_is_no_answer(self, broken: object) -> None:
        body = prediction()[1] | {"fingerprint": broken}
        assert isinstance(read_prediction(200, json.dumps(body).encode()), ServiceFault)

    def test_the_hash_is_the_one_by_which_training_leaves_out_twins(self) -> None:
        assert vars(dataset)["dhash"] is dhash

    def test_the_hash_stays_the_one_that_databases_hold(self) -> None:
        """Bit by bit from the left of the first row: is a place brighter than its left neighbour?"""
        for path in PICTURES:
            with Image.open(path) as picture:
                grey = picture.convert("L").resize((9, 8), Image.Resampling.LANCZOS)
                brightness = np.asarray(grey)
                steps = [(row, place) for row in range(8) for place in range(8)]
                bits = "".join(str(int(brightness[y, x + 1] > brightness[y, x])) for y, x in steps)
                assert f"{dhash(picture):064b}" == bits


class TestLookup:
    @given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=5))
    def test_whatever_is_within_five_bits_shares_a_band_but_for_one_bit(self, own: int, flipped: set[int]) -> None:
        other = own ^ sum(1 << bit for bit in flipped)
        differing = [(a ^ b).bit_count() for a, b in zip(bands_of(own), bands_of(other), strict=True)]
        assert sum(differing) == len(flipped)
        assert min(differing) <= 1

    def test_finds_by_distance_and_miniature(self, database: Database) -> None:
        generator = random.Random(1)
        own = generator.getrandbits(64) | 1 << 63  # a sign, where the engines have one
        five, six = (own ^ sum(1 << bit for bit in generator.sample(range(64), count)) for count in (5, 6))
        strangers = {f"{i:02x}": Fingerprint(generator.getrandbits(64), MINIATURE) for i in range(16, 80)}
        near = {"01": Fingerprint(five, MINIATURE), "02": Fingerprint(six, MINIATURE)}
        other = {"03": Fingerprint(own, MINIATURE[::-1])}
        for sha256, seen in {**strangers, **other, **near}.items():
            night(database, replace(answer(f"{sha256}.jpg", sha256), fingerprint=seen))
        with database.reading() as connection:
            found = find_near(connection, Fingerprint(own, MINIATURE), "ff" * 32, "")
            assert found is not None
            row = connection.execute(select(predictions).where(predictions.c.photo_id == found.photo_id)).one()
            assert (row.filename, found.kind) == ("01.jpg", "near")
            assert find_near(connection, Fingerprint(own, MINIATURE), "01" * 32, "") is None  # itself
            assert find_near(connection, Fingerprint(own, MINIATURE), "ff" * 32, "", before=found.photo_id) is None

    def test_reads_indexes_and_no_table(self, tmp_path: Path) -> None:
        database = Database(str(tmp_path / "results.db"))
        with database.reading() as connection:
            query = CANDIDATES.params(candidate_values(7, 5))
            sql = str(query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
        database.close()
        steps = [step for step in plan if step.startswith(("SCAN fingerprints", "SEARCH fingerprints"))]
        assert len(steps) == 3
        assert all(step.startswith("SEARCH fingerprints USING COVERING INDEX ix_fingerprints_band") for step in steps)

    def test_two_photos_of_one_return_are_no_repeats(self, database: Database) -> None:
        seen = Fingerprint(5, MINIATURE)
        with database.reading() as connection:
            assert find_near(connection, seen, "aa" * 32, "R-1") is None
        night(database, *(replace(answer(f"{i}.jpg", f"{i}{i}", "R-1"), fingerprint=seen) for i in range(2)))
        night(database, replace(answer("other.jpg", "22", "R-2"), fingerprint=seen))
        with database.reading() as connection:
            rows = connection.execute(select(predictions).order_by(predictions.c.photo_id)).all()
        assert [(row.repeat_of, row.repeat_kind) for row in rows] == [
            (None, None),
            (None, None),
            (rows[0].photo_id, "near"),
        ]

    def test_what_is_purged_is_forgotten(self, database: Database) -> None:
        seen = Fingerprint(5, MINIATURE)
        night(database, *(replace(answer(f"{i}.jpg", f"{i}{i}", f"R-{i}"), fingerprint=seen) for i in range(2)))
        with database.writing() as connection:
            purge_return(connection, "R-0")
            assert connection.execute(select(fingerprints.c.sha256)).scalars().all() == ["11" * 32]
            assert connection.execute(select(predictions.c.repeat_of, predictions.c.repeat_kind)).all() == [
                (None, None)
            ]
            store_fingerprint(connection, "11" * 32, seen)  # again: one row for the same bytes
            assert len(connection.execute(select(fingerprints)).all()) == 1
        with database.reading() as connection:
            assert verify(connection) == []


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
