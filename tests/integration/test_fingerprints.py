"""Which pictures look the same, and how those that do are found."""

import base64
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

from handler.fingerprint import dhash
from results.database import Database
from results.fingerprints import CANDIDATES, Fingerprint, bands_of, candidate_values, correlation, store_fingerprint
from results.lookalikes import NEAR_BITS, NEAR_CORRELATION, find_near
from results.purge import purge_return
from results.schema import fingerprints
from results.verify import verify
from results.views import predictions
from service_client.responses import Prediction, ServiceFault, read_prediction
from tests.support.drawn_photos import encoded
from tests.support.picture_copies import PICTURES, copies
from tests.support.stored_runs import answer, night
from tests.support.stub_service import looks, prediction
from training.data import dataset

MINIATURE = bytes(range(192))


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
