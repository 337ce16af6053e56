"""The queue of returns, verdicts about repeats, notes and marks, on both engines."""

from dataclasses import replace

import pytest

from results import derived, repeat_verdicts, return_queue
from results.database import Database
from results.photos import Classified
from results.return_cards import cards, history, linked_returns
from results.return_desk import PhotosChanged, Seen, SeenPhoto, decide_seen, judge_repeat, mark
from results.return_lists import decide_return, find_return, photo_ids, undo_decision
from results.return_queue import Filters
from results.return_search import ReturnFilters, find_one, find_photos_named, find_returns_of
from results.verify import verify
from tests.support.review_queue import MINUTE, decide, waiting
from tests.support.stored_runs import answer, failure, night, older


def unsure(filename: str, sha256: str, return_id: str = "", **more: object) -> Classified:
    values = {"decision": "review", "reason": "low_confidence", **more}
    return replace(answer(filename, sha256, return_id), **values)  # type: ignore[arg-type]


def mismatch(filename: str, sha256: str, return_id: str) -> Classified:
    order = {"expected_category": "Heels", "match_probability": 0.001, "match_verdict": "mismatch"}
    return unsure(filename, sha256, return_id, **order, reason="mismatch")


@pytest.fixture
def filled(database: Database) -> Database:
    """Five returns that wait (R-U unsure, R-M mismatch, R-F failed, R-R and a loose photo repeat), and R-A cleared."""
    night(database, answer("1.jpg", "11", "R-A"), unsure("2.jpg", "22", "R-U"), unsure("loose.jpg", "66"))
    night(database, mismatch("3.jpg", "33", "R-M"), failure("4.txt", "44", "R-F"))
    night(database, answer("5.jpg", "11", "R-R"), answer("again.jpg", "11"))
    return database


def claimed(database: Database, desk: str = "ada:1", count: int = 10, **more: object) -> list[str]:
    with database.writing() as connection:
        return return_queue.claim(connection, desk, count, MINUTE, **more).keys  # type: ignore[arg-type]


def key_of(database: Database, filename: str) -> str:
    with database.reading() as connection:
        query = f"SELECT id FROM photos WHERE filename = '{filename}'"  # our own names
        return f"p:{connection.exec_driver_sql(query).scalar_one()}"


def seen_now(database: Database, key: str) -> Seen:
    with database.reading() as connection:
        card = cards(connection, [key])[0]
    photos = [SeenPhoto(row["photo_id"], row["finding"], row["final_category"]) for row in card["items"]]
    return Seen(card["changed_at"], photos)


def sound(database: Database) -> bool:
    with database.reading() as connection:
        return verify(connection) == []


class TestQueue:
    def test_mismatches_then_repeats_then_the_rest_oldest_first(self, filled: Database) -> None:
        assert claimed(filled) == ["r:R-M", "r:R-R", key_of(filled, "again.jpg"), "r:R-U", "r:R-F"]
        assert sound(filled)

    def test_two_desks_get_different_returns_and_a_lost_one_is_told(self, filled: Database) -> None:
        first, second = claimed(filled, "ada:1", 2), claimed(filled, "ben:2", 2)
        assert not set(first) & set(second)
        with filled.writing() as connection:
            decide_return(connection, first[0], "cleared", "ben")
            again = return_queue.claim(connection, "ada:1", 1, MINUTE, first, wanted=second[0])
        assert again.lost == [first[0]]
        assert again.keys == ["r:R-F"], "what another desk has is not given, also if it is asked for by its key"

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            (Filters(kind="mismatch"), ["r:R-M"]),
            (Filters(run=1), ["r:R-U"]),
            (Filters(category="Socks", kind="unsure"), ["r:R-U"]),
            (Filters(days=1), []),
            (Filters(mine="ada"), []),
            (Filters(asked=True), []),
        ],
    )
    def test_filters(self, filled: Database, filters: Filters, found: list[str]) -> None:
        assert claimed(filled, filters=filters) == found

    def test_a_question_takes_a_return_out_of_the_common_queue_until_it_is_answered(self, filled: Database) -> None:
        with filled.writing() as connection:
            asked = mark(connection, "r:R-U", "asked", "ada", "is this suede?")
        assert (asked["asked_by"], asked["note"]) == ("ada", "is this suede?")
        assert "r:R-U" not in claimed(filled)
        assert claimed(filled, "lead:1", filters=Filters(asked=True)) == ["r:R-U"]
        assert claimed(filled, "lead:1", filters=Filters(mine="ada", asked=None)) == ["r:R-U"]
        assert sound(filled)
        with filled.writing() as connection:
            answered = decide_return(connection, "r:R-U", "cleared", "lead")
            assert (answered["asked_by"], answered["note"]) == (None, "is this suede?")
            assert undo_decision(connection, "r:R-U", "lead")["asked_by"] == "ada"

    def test_photos_of_a_decided_return_are_not_asked_for_again(self, filled: Database) -> None:
        assert "2.jpg" in waiting(filled)
        with filled.writing() as connection:
            decide_return(connection, "r:R-U", "cleared", "ada")
        assert "2.jpg" not in waiting(filled)
        with filled.writing() as connection:
            undo_decision(connection, "r:R-U", "ada")
        assert "2.jpg" in waiting(filled)
        assert waiting(filled, by_itself=True) == ["loose.jpg"]
        assert sound(filled)

    def test_a_purged_return_waits_no_more(self, filled: Database) -> None:
        with filled.writing() as connection:
            mark(connection, "r:R-U", "note", "ada", "torn")
        older(filled, "2100-01-01T00:00:00Z")
        assert claimed(filled) == []
        with filled.reading() as connection:
            for table in ("return_events", "repeat_verdicts", "return_queue"):
                assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0


class TestSeen:
    def test_a_decision_on_what_was_seen_is_stored(self, filled: Database) -> None:
        seen = seen_now(filled, "r:R-M")
        with filled.writing() as connection:
            held = decide_seen(connection, "r:R-M", "hold", "ada", seen, "not_what_was_ordered", "a boot")
        assert (held["final_decision"], held["note"]) == ("hold", "a boot")

    def test_what_changed_is_told_and_nothing_is_stored(self, filled: Database) -> None:
        seen = seen_now(filled, "r:R-M")
        night(filled, unsure("new.jpg", "77", "R-M"))
        decide(filled, "3.jpg", to_class="Belts")
        with filled.writing() as connection, pytest.raises(PhotosChanged) as refused:
            decide_seen(connection, "r:R-M", "cleared", "ada", seen)
        assert refused.value.changes == ["Photo 3.jpg is now Belts.", "Photo new.jpg was added."]
        with filled.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM return_decisions").scalar_one() == 0

    def test_a_colleague_who_was_faster_is_named(self, filled: Database) -> None:
        seen = seen_now(filled, "r:R-U")
        with filled.writing() as connection:
            decide_return(connection, "r:R-U", "hold", "ben", "damaged")
        with filled.writing() as connection, pytest.raises(PhotosChanged) as refused:
            decide_seen(connection, "r:R-U", "cleared", "ada", seen)
        assert refused.value.changes == ["ben decided: hold, damaged."]


class TestRepeats:
    def judge(self, database: Database, verdict: repeat_verdicts.Verdict) -> dict[str, object]:
        seen = seen_now(database, "r:R-R")
        with database.writing() as connection:
            number, earlier = photo_ids(connection, "r:R-R")[0], photo_ids(connection, "r:R-A")[0]
            return judge_repeat(connection, "r:R-R", "ada", (number, earlier), verdict, seen)

    def test_the_earlier_photo_comes_with_its_return(self, filled: Database) -> None:
        with filled.reading() as connection:
            (card,) = cards(connection, ["r:R-R"])
        earlier = card["items"][0]["earlier"]
        assert (earlier["return_id"], earlier["filename"], earlier["verdict"]) == ("R-A", "1.jpg", None)
        assert earlier["state"]["final_decision"] == "cleared"

    def test_another_item_settles_the_repeat(self, filled: Database) -> None:
        assert self.judge(filled, "another_item")["final_decision"] == "cleared"
        assert "5.jpg" not in waiting(filled)
        assert sound(filled)
        with filled.writing() as connection:
            derived.refresh(connection, repeat_verdicts.take_back(connection, "ada", photo_ids(connection, "r:R-R")))
            assert find_return(connection, "r:R-R")[0]["reason"] == "repeat"
        assert sound(filled)

    def test_same_item_holds_and_links_both_returns_until_it_is_taken_back(self, filled: Database) -> None:
        held = self.judge(filled, "same_item")
        assert (held["final_decision"], held["reason"]) == ("hold", "same_item")
        with filled.reading() as connection:
            assert [row["return_id"] for row in linked_returns(connection, "r:R-A")] == ["R-R"]
            assert [row["return_id"] for row in linked_returns(connection, "r:R-R")] == ["R-A"]
        with filled.writing() as connection:
            assert undo_decision(connection, "r:R-R", "ada")["reason"] == "repeat"
            assert linked_returns(connection, "r:R-A") == []
            told = [(entry["kind"], entry["is_undone"]) for entry in history(connection, "r:R-R")]
        assert sorted(told) == [("decision", False), ("decision", True), ("repeat", False), ("repeat", True)]

    def test_a_category_does_not_settle_a_repeat(self, filled: Database) -> None:
        decide(filled, "5.jpg")
        with filled.writing() as connection:
            derived.refresh(connection, photo_ids(connection, "r:R-R"))
            assert find_return(connection, "r:R-R")[0]["reason"] == "repeat"


class TestSearch:
    @pytest.mark.parametrize("typed", ["R-M", " r-m ", "R - M", "m", "r:R-M", "r-M"])
    def test_what_is_typed_or_scanned_finds_the_return(self, filled: Database, typed: str) -> None:
        with filled.reading() as connection:
            assert find_one(connection, typed) == "r:R-M"

    def test_what_means_several_returns_or_none_is_no_return(self, filled: Database) -> None:
        with filled.reading() as connection:
            assert [find_one(connection, typed) for typed in ("R-", "R_M", " ", "R-X")] == [None] * 4

    def test_failed_photos_are_found_by_a_part_of_their_name(self, filled: Database) -> None:
        with filled.reading() as connection:
            assert [row["filename"] for row in find_photos_named(connection, ".TXT")] == ["4.txt"]

    def test_lists_have_notes_and_flags(self, filled: Database) -> None:
        with filled.writing() as connection:
            mark(connection, "r:R-U", "flagged", "ada")
            mark(connection, "r:R-U", "note", "ben", "torn")
        with filled.reading() as connection:
            (row,), following = find_returns_of(connection, ReturnFilters(flagged=True, noted=True), 10)
            assert (row["return_id"], row["note"], row["flagged"], following) == ("R-U", "torn", 1, None)
