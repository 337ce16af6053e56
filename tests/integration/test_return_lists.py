"""Lists of returns on both engines, decisions about whole returns, and the command that prints and exports them."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from results.database import Database
from results.return_lists import (
    LIST_COLUMNS,
    NoSuchReturn,
    NothingToUndo,
    ReturnChanged,
    ReturnCriteria,
    all_returns,
    count_by_decision,
    decide_return,
    find_return,
    find_returns,
    mismatches_by_pair,
    oldest_open,
    undo_decision,
)
from tests.support.batch_rig import BatchRig
from tests.support.stored_runs import answer, failure, night


@pytest.fixture
def filled(database: Database) -> Database:
    """Two nights: R-1 matches, R-2 is a mismatch, R-3 failed, and a photo without a return is accepted."""
    ordered = {"expected_category": "Socks"}
    match = replace(answer("1.jpg", "11", "R-1"), match_probability=0.9, match_verdict="match", **ordered)  # type: ignore[arg-type]
    mismatch = replace(answer("2.jpg", "22", "R-2"), expected_category="Heels", decision="review", reason="mismatch")
    night(database, match, replace(mismatch, match_probability=0.001, match_verdict="mismatch"))
    night(database, failure("3.txt", "33", "R-3"), answer("4.jpg", "44"))
    return database


def ids(rows: list[dict[str, object]]) -> list[object]:
    return [row["return_id"] for row in rows]


def test_pages_follow_the_changes_and_leave_nothing_out(filled: Database) -> None:
    with filled.reading() as connection:
        pages = list(all_returns(connection, ReturnCriteria(), 2))
        assert sorted(str(name) for page in pages for name in ids(page)) == ["None", "R-1", "R-2", "R-3"]
        assert [len(page) for page in pages[:2]] == [2, 2]
        moments = [row["changed_at"] for page in pages for row in page]
        assert moments == sorted(moments)
        assert ids(find_returns(connection, ReturnCriteria(since=moments[-1]), 10).rows) == []


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        (ReturnCriteria(final_decision="open"), ["R-2", "R-3"]),
        (ReturnCriteria(final_decision="cleared", run_ids=(1,)), ["R-1"]),
        (ReturnCriteria(run_ids=(2,), final_decision="open"), ["R-3"]),
        (ReturnCriteria(final_decision="hold"), []),
    ],
)
def test_criteria(filled: Database, criteria: ReturnCriteria, found: list[str]) -> None:
    with filled.reading() as connection:
        assert sorted(map(str, ids(find_returns(connection, criteria, 10).rows))) == found


def test_what_a_lead_wants_first(filled: Database) -> None:
    with filled.reading() as connection:
        assert count_by_decision(connection, ReturnCriteria()) == {"cleared": 2, "hold": 0, "open": 2}
        oldest = oldest_open(connection)
        assert oldest is not None
        assert oldest["return_id"] == "R-2"
        pairs = mismatches_by_pair(connection, [1], 10)
    assert pairs == [{"ordered": "Heels", "predicted_class": "Socks", "photos": 1}]


def test_one_return_with_its_photos(filled: Database) -> None:
    with filled.reading() as connection:
        found, photos = find_return(connection, "r:R-2")
        assert tuple(found) == LIST_COLUMNS
        assert [(photo["filename"], photo["finding"]) for photo in photos] == [("2.jpg", "mismatch")]
        alone = next(row for row in find_returns(connection, ReturnCriteria(), 10).rows if row["return_id"] is None)
        assert [photo["filename"] for photo in find_return(connection, alone["return_key"])[1]] == ["4.jpg"]
        with pytest.raises(NoSuchReturn, match="R-9"):
            find_return(connection, "r:R-9")


class TestDecisions:
    def test_a_decision_counts_and_can_be_taken_back(self, filled: Database) -> None:
        with filled.writing() as connection:
            held = decide_return(connection, "r:R-1", "hold", "ada", "damaged", "sole is torn")
        assert (held["final_decision"], held["decided_by"], held["note"]) == ("hold", "ada", "sole is torn")
        with filled.writing() as connection:
            assert undo_decision(connection, "r:R-1", "ada")["decided_by"] == "model"
        with filled.writing() as connection, pytest.raises(NothingToUndo):
            undo_decision(connection, "r:R-1", "ada")

    def test_a_hold_needs_a_reason(self, filled: Database) -> None:
        with filled.writing() as connection, pytest.raises(ValueError, match="not_what_was_ordered"):
            decide_return(connection, "r:R-1", "hold", "ada")

    def test_a_return_that_changed_meanwhile_is_not_decided(self, filled: Database) -> None:
        with filled.reading() as connection:
            seen = find_return(connection, "r:R-2")[0]["changed_at"]
        night(filled, failure("5.txt", "55", "R-2"))
        with filled.writing() as connection, pytest.raises(ReturnChanged) as refused:
            decide_return(connection, "r:R-2", "cleared", "ada", seen_at=seen)
        assert (refused.value.present["photos"], refused.value.present["failed"]) == (2, 1)
        with filled.writing() as connection:
            now = find_return(connection, "r:R-2")[0]["changed_at"]
            assert decide_return(connection, "r:R-2", "cleared", "ada", seen_at=now)["final_decision"] == "cleared"


class TestCommand:
    def test_lists_exports_and_prints_as_json(self, rig: BatchRig, tmp_path: Path) -> None:
        rig.add("R-1.jpg", "loose.jpg")
        (rig.inbox / "manifest.csv").write_text("filename,return_id\nR-1.jpg,=R-1\n")
        assert rig.run()[0] == 0
        code, printed = rig.run("returns")
        assert code == 0
        assert "2 returns: 2 cleared, 0 hold, 0 open" in printed
        code, printed = rig.run("returns", "1", "--state", "cleared", "--json")
        assert {row["return_id"] for row in json.loads(printed)} == {"=R-1", None}
        assert rig.run("returns", "--output", str(tmp_path / "returns.csv"))[0] == 0
        written = (tmp_path / "returns.csv").read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(written)))
        assert tuple(rows[0]) == LIST_COLUMNS
        assert {row["return_id"] for row in rows} == {"'=R-1", ""}

    def test_a_run_that_does_not_exist_is_refused(self, rig: BatchRig) -> None:
        code, printed = rig.run("returns", "7")
        assert code == 2
        assert "there is no run 7" in printed
