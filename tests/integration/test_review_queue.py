"""What waits for a person, who has it, and what was decided, in both kinds of database."""

from dataclasses import replace
from pathlib import Path

import alembic.command
import pytest
from alembic.config import Config
from sqlalchemy import select

import results
from results import known_photos, review_queue, reviews
from results.database import Database
from results.orders import NO_ORDER, Order
from results.purge import purge_return
from results.reviews import AlreadyReviewed, CannotUndo, NoSuchPhoto, Verdict
from results.schema import review_queue as queue_table
from results.search import photos_by_id
from tests.support.review_queue import MINUTE, decide, unsure, waiting
from tests.support.stored_runs import answer, failure, night, photo_id


def claim(database: Database, desk: str, count: int, seconds: float = MINUTE, held: tuple[int, ...] = ()) -> list[int]:
    with database.writing() as connection:
        return review_queue.claim(connection, desk, count, seconds, held).photo_ids


def undo(database: Database, review: int, reviewer: str = "Ada", may_undo_others: bool = False) -> None:
    with database.writing() as connection:
        number = reviews.undo(connection, reviewer, review, may_undo_others)
        review_queue.refresh(connection, [number])


def test_mismatches_come_first_then_repeats_then_the_least_certain(database: Database) -> None:
    night(
        database,
        unsure("aa.jpg", 0.8),
        unsure("bb.jpg", 0.3),
        answer("cc.jpg", "cc"),  # accepted: nobody needs to look
        replace(answer("dd.jpg", "dd"), audit=True),
        unsure("ee.jpg", 0.5, expected_category="Belts"),
        replace(answer("ff.jpg", "ff"), expected_category="Belts"),
        answer("gg.jpg", "cc", return_id="R-2"),  # the bytes of cc.jpg once more
    )
    assert waiting(database) == ["ff.jpg", "ee.jpg", "gg.jpg", "bb.jpg", "aa.jpg", "dd.jpg"]
    assert waiting(database, kind="mismatch") == ["ff.jpg", "ee.jpg"]
    assert waiting(database, kind="repeat") == ["gg.jpg"]
    assert waiting(database, kind="unsure") == ["bb.jpg", "aa.jpg", "dd.jpg"]
    assert waiting(database, predicted_class="Belts") == []
    with database.reading() as connection:
        assert review_queue.waiting_categories(connection, 10) == [("Socks", 6)]
        assert review_queue.waiting_categories(connection, 4) == [("Socks", 4)]
        assert review_queue.count_waiting(connection, 4) == 4
        assert review_queue.count_waiting(connection, 100, kind="unsure") == 3


def test_a_newer_answer_moves_a_photo_or_ends_its_waiting(database: Database) -> None:
    night(database, unsure("aa.jpg", 0.3), unsure("bb.jpg", 0.4))
    night(database, unsure("aa.jpg", 0.9))
    assert waiting(database) == ["bb.jpg", "aa.jpg"]
    night(database, answer("bb.jpg", "bb"))
    assert waiting(database) == ["aa.jpg"]
    night(database, failure("aa.jpg", "aa"))
    assert waiting(database) == []


def test_a_manifest_that_changed_is_obeyed(database: Database) -> None:
    run = night(database, answer("aa.jpg", "aa"))
    with database.writing() as connection:
        keys = [answer("aa.jpg", "aa").photo]
        (known,) = known_photos.find_known(connection, keys, "1.0.0", "1").values()
        known_photos.store_known(connection, run, known, Order("Belts"))
    assert waiting(database, kind="mismatch") == ["aa.jpg"]
    with database.writing() as connection:
        (known,) = known_photos.find_known(connection, keys, "1.0.0", "1").values()
        known_photos.store_known(connection, run, known, NO_ORDER)
    assert waiting(database) == []


def test_two_desks_never_get_the_same_photo(database: Database) -> None:
    night(database, *(unsure(f"{index:02}.jpg", 0.3 + index / 100) for index in range(5)))
    first, second = claim(database, "ada", 2), claim(database, "ben", 2)
    assert len({*first, *second}) == 4
    assert len(claim(database, "cleo", 2)) == 1
    assert claim(database, "dora", 2) == []


def test_a_reload_gets_its_own_photos_back(database: Database) -> None:
    night(database, unsure("aa.jpg", 0.3), unsure("bb.jpg", 0.4))
    assert claim(database, "ada", 1) == claim(database, "ada", 1)


def test_a_claim_expires_and_can_be_renewed(database: Database) -> None:
    night(database, unsure("aa.jpg", 0.3), unsure("bb.jpg", 0.4))
    held = claim(database, "ada", 1, seconds=-1)
    assert claim(database, "ben", 1) == held
    with database.writing() as connection:
        late = review_queue.claim(connection, "ada", 1, MINUTE, held)
    assert late.lost == held
    assert late.photo_ids
    assert late.photo_ids != held
    with database.writing() as connection:
        again = review_queue.claim(connection, "ada", 0, MINUTE, late.photo_ids)
    assert again == review_queue.Claimed([], [])


def test_released_photos_are_free(database: Database) -> None:
    night(database, unsure("aa.jpg", 0.3))
    held = claim(database, "ada", 1)
    assert claim(database, "ben", 1) == []
    with database.writing() as connection:
        review_queue.release(connection, "ada")
    assert claim(database, "ben", 1) == held


def test_the_second_verdict_is_refused_and_says_whose_the_first_is(database: Database) -> None:
    night(database, unsure("aa.jpg", 0.3))
    decide(database, "aa.jpg", "Ada", "Belts")
    assert waiting(database) == []
    with pytest.raises(AlreadyReviewed) as refused:
        decide(database, "aa.jpg", "Ben", "Socks")
    assert (refused.value.standing["reviewer"], refused.value.standing["to_class"]) == ("Ada", "Belts")
    with database.reading() as connection:
        assert len(reviews.history(connection, photo_id(connection, "aa.jpg"))) == 1


def test_an_undo_erases_nothing_and_brings_the_photo_back(database: Database) -> None:
    night(database, unsure("aa.jpg", 0.3))
    first = decide(database, "aa.jpg", "Ada", "Belts")
    undo(database, first)
    assert waiting(database) == ["aa.jpg"]
    decide(database, "aa.jpg", "Ben", "Socks")
    with database.reading() as connection:
        kept = reviews.history(connection, photo_id(connection, "aa.jpg"))
    told = [
        (row["reviewer"], row["verdict"], row["from_class"], row["to_class"], bool(row["is_undone"])) for row in kept
    ]
    assert told == [
        ("Ada", "corrected", "Socks", "Belts", True),
        ("Ada", "undone", "Socks", None, False),
        ("Ben", "confirmed", "Socks", "Socks", False),
    ]
    assert kept[1]["undoes"] == first
    assert all(row["created_at"].endswith("Z") for row in kept)


def test_only_ones_own_standing_verdict_can_be_undone(database: Database) -> None:
    night(database, unsure("aa.jpg", 0.3))
    first = decide(database, "aa.jpg", "Ada")
    with pytest.raises(CannotUndo, match="Ada"):
        undo(database, first, "Ben")
    undo(database, first, "Ben", may_undo_others=True)
    with pytest.raises(CannotUndo, match="already"):
        undo(database, first)
    with pytest.raises(NoSuchPhoto):
        undo(database, first + 1)  # the undo itself is no verdict


def test_a_verdict_needs_an_answer_of_that_photo(database: Database) -> None:
    night(database, unsure("aa.jpg", 0.3), unsure("bb.jpg", 0.4))
    with database.writing() as connection:
        one, other = (photo_id(connection, name) for name in ("aa.jpg", "bb.jpg"))
        prediction = photos_by_id(connection, [other])[0]["prediction_id"]
        with pytest.raises(NoSuchPhoto):
            reviews.store_verdict(connection, "Ada", Verdict(one, prediction, "category", "Socks"))
        with pytest.raises(NoSuchPhoto):
            reviews.store_verdict(connection, "Ada", Verdict(10_000, prediction, "category", "Socks"))


def test_a_verdict_outlives_a_newer_model(database: Database) -> None:
    night(database, unsure("aa.jpg", 0.3))
    decide(database, "aa.jpg")
    night(database, replace(unsure("aa.jpg", 0.2), model_version="2.0.0"))
    assert waiting(database) == []


def test_purged_photos_do_not_wait(database: Database) -> None:
    night(database, replace(unsure("aa.jpg", 0.3), photo=replace(answer("aa.jpg", "aa").photo, return_id="R-1")))
    with database.writing() as connection:
        assert purge_return(connection, "R-1").photos == 1
        assert connection.execute(select(queue_table)).all() == []


def test_the_queue_is_filled_from_what_was_stored_before_there_was_one(database: Database) -> None:
    """The migration's own SQL and the query that keeps the queue must agree on who waits, and where."""
    night(
        database,
        unsure("aa.jpg", 0.8),
        unsure("bb.jpg", 0.5, expected_category="Belts"),
        answer("cc.jpg", "aa", return_id="R-2"),
        answer("dd.jpg", "dd"),
        unsure("ee.jpg", 0.1),
        replace(answer("ff.jpg", "ff"), audit=True),
    )
    decide(database, "ee.jpg")
    query = select(*(queue_table.c[name] for name in ("photo_id", "prediction_id", "place", "predicted_class")))
    with database.reading() as connection:
        kept = connection.execute(query.order_by(queue_table.c.photo_id)).all()
    with database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(results.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        alembic.command.downgrade(config, "0002")
        alembic.command.upgrade(config, "head")
    with database.reading() as connection:
        assert connection.execute(query.order_by(queue_table.c.photo_id)).all() == kept
    assert len(kept) == 4
