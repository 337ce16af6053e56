"""Photos that look much like another, the nearest first, in both kinds of database."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results import lookalikes
from results.database import Database
from results.fingerprints import Fingerprint, bands_of, find_within, sparse_numbers
from results.lookalikes import find_similar
from results.purge import purge_return
from results.search import Criteria, all_photos, similar_photos
from tests.support.stored_runs import answer, failure, night, photo_id

MINIATURE = bytes(range(192))
OWN = random.Random(3).getrandbits(64) | 1 << 63  # a sign, where the engines have one


def turned(count: int, seed: int = 1) -> int:
    """Return the own hash with so many bits changed."""
    return OWN ^ sum(1 << bit for bit in random.Random(seed).sample(range(64), count))


@pytest.fixture
def filled(database: Database) -> Database:
    """One photo, others at several distances, and many that are nothing like it."""
    generator = random.Random(5)
    seen = {"own.jpg": OWN, "five.jpg": turned(5), "eight.jpg": turned(8), "two.jpg": turned(2), "nine.jpg": turned(9)}
    seen |= {f"{number}.jpg": generator.getrandbits(64) for number in range(40)}
    for place, (name, dhash) in enumerate(seen.items(), start=16):
        night(database, replace(answer(name, f"{place:02x}"), fingerprint=Fingerprint(dhash, MINIATURE)))
    return database


def similar_names(database: Database, name: str, most: int = 12) -> list[str]:
    with database.reading() as connection:
        return [row["filename"] for row in similar_photos(connection, photo_id(connection, name), most)]


def found(database: Database, name: str, **more: Any) -> list[str]:
    """Return the names that the search for similar photos finds, fetched two at a time."""
    with database.reading() as connection:
        criteria = Criteria(similar_to=photo_id(connection, name), **more)
        return [row["filename"] for page in all_photos(connection, criteria, 2) for row in page]


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=8))
def test_whatever_is_within_eight_bits_shares_a_band_but_for_two_bits(own: int, flipped: set[int]) -> None:
    other = own ^ sum(1 << bit for bit in flipped)
    pairs = zip(bands_of(own), bands_of(other), (22, 21, 21), strict=True)
    assert any(theirs ^ mine in sparse_numbers(width, 2) for mine, theirs, width in pairs)


def test_the_nearest_come_first_and_what_is_far_does_not(filled: Database) -> None:
    assert similar_names(filled, "own.jpg") == found(filled, "own.jpg") == ["two.jpg", "five.jpg", "eight.jpg"]
    assert "own.jpg" in similar_names(filled, "two.jpg")
    with filled.reading() as connection:
        assert sorted(find_within(connection, OWN, 5).values()) == [0, 2, 5]
        assert sorted(find_within(connection, OWN, 8).values()) == [0, 2, 5, 8]


def test_of_those_as_near_the_more_similar_colours_come_first(filled: Database) -> None:
    for name, sha256, miniature in (("red.jpg", "e0", MINIATURE[::-1]), ("same.jpg", "e1", MINIATURE)):
        night(filled, replace(answer(name, sha256), fingerprint=Fingerprint(turned(1), miniature)))
    assert found(filled, "own.jpg")[:3] == ["same.jpg", "red.jpg", "two.jpg"]


def test_no_more_than_wanted_and_no_more_compared_than_a_bound(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert similar_names(filled, "own.jpg", most=1) == ["two.jpg"]
    assert similar_names(filled, "own.jpg", most=2) == ["two.jpg", "five.jpg"]
    monkeypatch.setattr(lookalikes, "_MOST_COMPARED", 2)
    assert found(filled, "own.jpg") == ["two.jpg", "five.jpg"]


def test_a_picture_is_shown_once_and_searched_under_all_its_names(filled: Database) -> None:
    night(filled, replace(answer("again.jpg", "12", "R-2"), predicted_class="Belts"))  # the bytes of eight.jpg
    assert similar_names(filled, "own.jpg") == ["two.jpg", "five.jpg", "eight.jpg"]
    assert found(filled, "own.jpg") == ["two.jpg", "five.jpg", "eight.jpg", "again.jpg"]
    assert found(filled, "own.jpg", category="Belts") == found(filled, "own.jpg", return_id="R-2") == ["again.jpg"]
    assert found(filled, "again.jpg") == found(filled, "eight.jpg")


def test_nothing_is_like_what_was_never_seen(filled: Database) -> None:
    night(filled, answer("blank.jpg", "e2"), failure("broken.jpg", "e3"), failure("locked.jpg"))
    assert [similar_names(filled, name) for name in ("blank.jpg", "broken.jpg", "locked.jpg")] == [[], [], []]
    assert found(filled, "blank.jpg") == []
    with filled.reading() as connection:
        assert find_similar(connection, 10_000) == []


def test_what_is_purged_or_failed_since_is_not_shown(filled: Database) -> None:
    near = Fingerprint(turned(1), MINIATURE)
    night(filled, replace(answer("gone.jpg", "e4", "R-1"), fingerprint=near))
    assert found(filled, "own.jpg")[0] == "gone.jpg"
    with filled.writing() as connection:
        purge_return(connection, "R-1")
    night(filled, failure("two.jpg", "13"))
    assert similar_names(filled, "own.jpg") == found(filled, "own.jpg") == ["five.jpg", "eight.jpg"]
