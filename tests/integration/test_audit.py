"""What people decided, by day and person, and their figures, in both kinds of database."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from results import reviews as stored_reviews
from results.audit import AuditCriteria, all_people, find_decisions
from results.database import Database
from results.people_statistics import PersonFigures, figures_by_person
from results.return_lists import decide_return, undo_decision
from results.schema import return_decisions, reviews
from tests.support.review_queue import decide, unsure
from tests.support.stored_runs import answer, night


def at(database: Database, table: Any, number: int, moment: str) -> None:
    """Say when a decision was made."""
    column = table.c.created_at if table is reviews else table.c.decided_at
    with database.writing() as connection:
        connection.execute(update(table).where(table.c.id == number).values({column: f"2026-11-{moment}.000Z"}))


@pytest.fixture
def filled(database: Database) -> Database:
    """Five verdicts and two decisions of two people, on the 27th and 28th of November."""
    spot_checks = [replace(answer(f"{number}.jpg", f"a{number}"), audit=True) for number in range(2)]
    photos = [unsure(f"{number}.jpg", 0.4) for number in range(2, 4)]
    night(database, *spot_checks, *photos, answer("r.jpg", "b1", "R-1"))
    days = ["27T10:00:00", "27T10:00:04", "27T10:00:10", "28T09:00:00"]
    for number, (day, to_class) in enumerate(zip(days, ["Belts", "Socks", "Socks", None], strict=True)):
        at(database, reviews, decide(database, f"{number}.jpg", "Ada" if number < 3 else "Ben", to_class), day)
    with database.writing() as connection:
        stored_reviews.undo(connection, "Ben", 3, may_undo_others=True)
        decide_return(connection, "r:R-1", "hold", "Ben", "damaged", "torn")
        undo_decision(connection, "r:R-1", "Ben")
    hold, undoing = (return_decisions, 1), (return_decisions, 2)
    for (table, number), moment in (((reviews, 5), "28T09:00:20"), (hold, "28T09:00:20"), (undoing, "28T09:10:00")):
        at(database, table, number, moment)
    return database


def listed(database: Database, size: int = 3, **criteria: Any) -> list[tuple[str, str, int]]:
    """Return kind, decision and id of all that is found, fetched a few at a time."""
    rows: list[dict[str, Any]] = []
    key = None
    with database.reading() as connection:
        while True:
            page = find_decisions(connection, AuditCriteria(**criteria), size, key)
            rows += page.rows
            if (key := page.next_key) is None:
                return [(row["kind"], row["decision"], row["id"]) for row in rows]


EVERYTHING = [
    ("return", "undone", 2),
    ("return", "hold", 1),  # at the same moment as the next one
    ("photo", "undone", 5),
    ("photo", "unusable", 4),
    ("photo", "confirmed", 3),
    ("photo", "confirmed", 2),
    ("photo", "corrected", 1),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_everything_is_listed_once_over_pages(filled: Database, size: int) -> None:
    assert listed(filled, size) == EVERYTHING


def test_by_person_and_by_time(filled: Database) -> None:
    assert listed(filled, person="Ada") == EVERYTHING[4:]
    assert listed(filled, person="nobody") == []
    assert listed(filled, since="2026-11-28T09:00:20.000Z") == EVERYTHING[:3]
    assert listed(filled, until="2026-11-27T10:00:10.000Z") == EVERYTHING[5:]
    assert listed(filled, person="Ben", until="2026-11-28T09:00:20.000Z") == EVERYTHING[3:4]
    with filled.reading() as connection:
        assert all_people(connection) == ["Ada", "Ben"]


def test_a_row_says_what_was_decided_about_what(filled: Database) -> None:
    with filled.reading() as connection:
        rows = {(row["kind"], row["id"]): row for row in find_decisions(connection, AuditCriteria(), 50).rows}
    held, corrected, confirmed = rows["return", 1], rows["photo", 1], rows["photo", 3]
    assert [held[name] for name in ("return_id", "reason", "note", "taken_back", "photo_id")] == [
        "R-1",
        "damaged",
        "torn",
        1,
        None,
    ]
    assert [corrected[name] for name in ("filename", "from_category", "to_category", "return_id")] == [
        "0.jpg",
        "Socks",
        "Belts",
        None,
    ]
    assert (confirmed["taken_back"], rows["photo", 5]["takes_back"]) == (1, 3)


def test_figures_of_each_person(filled: Database) -> None:
    with filled.reading() as connection:
        figures, is_partial = figures_by_person(connection, AuditCriteria())
        of_one_day, _ = figures_by_person(connection, AuditCriteria(until="2026-11-28T00:00:00.000Z"))
    assert figures == [
        PersonFigures("Ada", 3, 0, 5.0, 2, 1),  # 4 and 6 seconds apart; one of two spot checks named another category
        PersonFigures("Ben", 2, 2, 20.0, 0, 0),
    ]
    assert not is_partial
    assert [row.person for row in of_one_day] == ["Ada"]


def test_only_the_newest_decisions_are_counted(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("results.people_statistics.MOST_DECISIONS", 3)
    with filled.reading() as connection:
        figures, is_partial = figures_by_person(connection, AuditCriteria())
    assert is_partial
    assert {row.person: row.decisions for row in figures} == {"Ada": 1, "Ben": 2}
