"""Finding photos by what is known of them, page by page, in both kinds of database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from results import statistics
from results.database import Database
from results.search import Criteria, all_photos, count_photos, find_photos, repeats_of
from tests.support.review_queue import decide, unsure
from tests.support.stored_runs import answer, make_old, night, photo_id


def found(database: Database, **criteria: Any) -> list[str]:
    """Return the names of all that is found, fetched two at a time."""
    with database.reading() as connection:
        pages = list(all_photos(connection, Criteria(**criteria), 2))
    assert all(len(page) == 2 for page in pages[:-1])
    return [row["filename"] for page in pages for row in page]


@pytest.fixture
def filled(database: Database) -> Database:
    night(
        database,
        answer("shelf 1/a_1.jpg", "a1", "R-1"),
        answer("shelf 1/ab1.jpg", "a2", "R-2"),
        unsure("shelf 2/100%.jpg", 0.4),
        replace(answer("other.jpg", "a1"), predicted_class="Belts"),
        answer("old.jpg", "0d"),
    )
    make_old(database, "old.jpg")
    decide(database, "shelf 2/100%.jpg", "Ada", "Belts")
    return database


def test_everything_newest_first_over_pages(filled: Database) -> None:
    assert found(filled) == ["old.jpg", "other.jpg", "shelf 2/100%.jpg", "shelf 1/ab1.jpg", "shelf 1/a_1.jpg"]


def test_by_filename(filled: Database) -> None:
    assert found(filled, filename="shelf 1/") == ["shelf 1/a_1.jpg", "shelf 1/ab1.jpg"]
    assert found(filled, filename="shelf 1/a_") == ["shelf 1/a_1.jpg"]
    assert found(filled, filename="*AB1") == ["shelf 1/ab1.jpg"]
    assert found(filled, filename="*100%") == ["shelf 2/100%.jpg"]
    assert found(filled, filename="%") == []


def test_by_everything_else(filled: Database) -> None:
    assert found(filled, return_id="R-1") == ["shelf 1/a_1.jpg"]
    assert found(filled, category="Belts") == ["other.jpg"]
    assert found(filled, decision="review") == ["shelf 2/100%.jpg"]
    assert found(filled, sha256="a2A2") == ["shelf 1/ab1.jpg"]
    assert found(filled, verdict="corrected") == found(filled, verdict="any") == ["shelf 2/100%.jpg"]
    assert found(filled, verdict="confirmed") == []
    assert len(found(filled, verdict="none")) == 4
    assert found(filled, category="Belts", decision="review") == []
    assert found(filled, run=2) == found(filled, run=2, category="Belts") == []
    assert found(filled, run=1, category="Belts") == ["other.jpg"]


def test_by_day(filled: Database) -> None:
    today = datetime.now(UTC).date()
    assert found(filled, day_to=date(2026, 1, 1)) == ["old.jpg"]
    west = ZoneInfo("America/Los_Angeles")  # where it was still the old year
    assert found(filled, day_to=date(2025, 12, 31), zone=west) == ["old.jpg"]
    assert found(filled, day_from=date(2026, 1, 1), day_to=date(2026, 1, 1), zone=west) == []
    assert found(filled, day_from=date(2026, 1, 2), day_to=date(2026, 1, 3)) == []
    assert len(found(filled, day_from=today - timedelta(days=1))) == 4


def test_a_verdict_is_shown_with_its_photo(filled: Database) -> None:
    with filled.reading() as connection:
        (row,) = find_photos(connection, Criteria(verdict="any"), 10).rows
    assert (row["verdict"], row["verdict_class"], row["reviewer"]) == ("corrected", "Belts", "Ada")


def test_a_key_of_another_search_is_refused(filled: Database) -> None:
    with filled.reading() as connection, pytest.raises(ValueError, match="another search"):
        find_photos(connection, Criteria(), 10, ["a", 1])


def test_repeats_of_a_photo(filled: Database) -> None:
    with filled.reading() as connection:
        first, second = (photo_id(connection, name) for name in ("shelf 1/a_1.jpg", "other.jpg"))
        assert [row["photo_id"] for row in repeats_of(connection, first)] == [second]
        assert [row["photo_id"] for row in repeats_of(connection, second)] == [first]


def test_only_the_audit_says_how_right_accepted_answers_are(database: Database) -> None:
    audited = [replace(answer(f"{index}.jpg", f"a{index}"), audit=True) for index in range(4)]
    night(database, *audited, unsure("bb.jpg", 0.3))
    for name, said in (("0.jpg", "Socks"), ("1.jpg", "Belts"), ("2.jpg", None), ("bb.jpg", "Belts")):
        decide(database, name, to_class=said)
    with database.reading() as connection:
        assert statistics.review_accuracy(connection, only_audit=True) == [statistics.CategoryAccuracy("Socks", 2, 1)]
        assert statistics.review_accuracy(connection, only_audit=False) == [statistics.CategoryAccuracy("Socks", 3, 2)]


def test_a_spot_check_stays_one_when_the_photo_is_classified_again(database: Database) -> None:
    """Each answer is drawn anew; a verdict on an older one is counted by the draw of the answer that was judged."""
    checked = replace(answer("a.jpg", "aa"), audit=True)
    mismatch = replace(answer("b.jpg", "bb"), expected_category="Belts")
    night(database, checked, mismatch)
    decide(database, "a.jpg")
    decide(database, "b.jpg", to_class="Belts")
    night(database, *(replace(one, model_version="2", audit=not one.audit) for one in (checked, mismatch)))
    with database.reading() as connection:
        assert statistics.review_accuracy(connection, only_audit=True) == [statistics.CategoryAccuracy("Socks", 1, 0)]


def test_results_are_counted_up_to_a_bound(filled: Database) -> None:
    with filled.reading() as connection:
        assert count_photos(connection, Criteria(), 10) == 5
        assert count_photos(connection, Criteria(), 3) == 3
        assert count_photos(connection, Criteria(return_id="r-1"), 10) == 1
