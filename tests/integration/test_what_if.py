"""What other match thresholds would have cleared, and what people say of it."""

import hashlib
import json
from dataclasses import replace

import pytest
from sqlalchemy import update

from results import decision_rules
from results.database import Database
from results.decision_rules import ModelRule
from results.orders import Rule
from results.photos import Classified, PhotoKey
from results.return_lists import decide_return
from results.schema import runs as runs_table
from results.what_if import Row, WhatIf, what_if
from tests.support.batch_rig import BatchRig
from tests.support.stored_runs import answer, failure, judge, night

RULE = Rule(("Socks", "Belts"), 0.8, 0.5, match_threshold=0.3, mismatch_threshold=0.01)
MODEL = ModelRule("1.0.0", "1", RULE, (0.05, 0.9))


def photo(name: str, probability: float, return_id: str = "", order: str = "Socks") -> Classified:
    """Return a photo as it is decided by ``RULE``."""
    verdict = "match" if probability >= 0.3 else "mismatch" if probability < 0.01 else "unsure"
    return replace(
        answer(name, "", return_id),
        photo=PhotoKey("/inbox", name, hashlib.sha256(name.encode()).hexdigest(), return_id),
        decision="accept" if verdict == "match" else "review",
        reason={"match": None, "unsure": "unsure_match", "mismatch": "mismatch"}[verdict],
        expected_category=order,
        match_probability=probability,
        match_verdict=verdict,
        audit=name.startswith("drawn"),
    )


def stored_rule(database: Database) -> None:
    with database.writing() as connection:
        decision_rules.store_rule(connection, MODEL, RULE)


def ask(database: Database, nights: int = 30) -> WhatIf:
    with database.reading() as connection:
        found = what_if(connection, nights)
    assert found is not None
    return found


def row_of(found: WhatIf, threshold: float) -> Row:
    (row,) = [row for row in found.rows if row.threshold == threshold]
    return row


def test_photos_and_returns_that_each_threshold_clears(database: Database) -> None:
    stored_rule(database)
    night(
        database,
        photo("a1", 0.95, "A"),
        photo("a2", 0.12, "A"),  # beside a photo that matches, this one stops nothing
        photo("b1", 0.6, "B"),
        photo("b2", 0.2, "B", "Belts"),  # the second thing that was ordered
        photo("c1", 0.9, "C"),
        photo("c2", 0.001, "C"),  # a mismatch: no threshold clears this return
        photo("d1", 0.9, "D"),
        failure("d2", "ee", "D"),
        photo("alone", 0.5),
        replace(answer("no order", "cc", "E")),
    )
    found = ask(database)
    assert (found.photos, found.returns, found.nights, found.match_threshold) == (8, 5, 1, 0.3)
    assert [row.threshold for row in found.rows] == [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert [row.note for row in found.rows if row.note] == ["now"]
    cleared = {row.threshold: (row.photos, row.returns) for row in found.rows}
    assert cleared[0.1] == (7, 3)  # A, B, alone
    assert cleared[0.2] == (6, 3)
    assert cleared[0.3] == (5, 2)  # B lacks its second thing
    assert cleared[0.6] == (4, 1)
    assert cleared[0.9] == (3, 1)
    assert {(row.checked, row.share_wrong) for row in found.rows} == {(0, None)}


def test_a_repeat_of_another_return_clears_nothing(database: Database) -> None:
    stored_rule(database)
    first = photo("first", 0.95, "A")
    again = replace(first, photo=replace(first.photo, filename="again", return_id="B"))
    night(database, first, again)
    assert (row_of(ask(database), 0.9).photos, row_of(ask(database), 0.9).returns) == (1, 1)


def test_only_what_was_drawn_or_went_to_people_counts_as_checked(database: Database) -> None:
    stored_rule(database)
    names = ["drawn-right", "drawn-wrong", "looked-up", "open-right", "open-wrong", "open-blurred"]
    night(database, *(photo(name, 0.2 if name.startswith("open") else 0.8, name) for name in names))
    verdicts = {"right": ("category", "Socks"), "wrong": ("category", "Belts"), "up": ("not_ours", None)}
    for name in names[:-1]:
        kind, category = verdicts[name.rpartition("-")[2]]
        judge(database, name, "ada", kind, category)  # type: ignore[arg-type]
    judge(database, "open-blurred", "ada", "unusable", None)
    found = ask(database)
    assert [(row.checked, row.wrong) for row in found.rows if row.threshold in (0.1, 0.3)] == [(4, 2), (2, 1)]


@pytest.mark.parametrize(
    ("decision", "reason", "checked"),
    [
        ("cleared", None, (1, 0)),
        ("hold", "not_what_was_ordered", (1, 1)),
        ("hold", "damaged", (0, 0)),
    ],
)
def test_decisions_on_whole_returns_count_too(
    database: Database, decision: str, reason: str | None, checked: tuple[int, int]
) -> None:
    stored_rule(database)
    night(database, photo("open", 0.2, "A"))
    with database.writing() as connection:
        decide_return(connection, "r:A", decision, "lena", reason)  # type: ignore[arg-type]
    row = row_of(ask(database), 0.1)
    assert (row.checked, row.wrong) == checked


def test_many_checks_tell_the_share_by_the_size_of_its_parts(database: Database) -> None:
    stored_rule(database)
    drawn = [photo(f"drawn{number}", 0.8) for number in range(100)]
    unsure = [photo(f"unsure{number}", 0.2) for number in range(100)]
    night(database, *drawn, *unsure)
    for number in range(100):
        judge(database, f"drawn{number}", "ada", "category", "Socks")
        judge(database, f"unsure{number}", "ada", "category", "Socks" if number % 50 else "Belts")
    found = ask(database)
    sure, both = row_of(found, 0.3).share_wrong, row_of(found, 0.1).share_wrong
    assert sure is not None
    assert both is not None
    assert (sure.share, sure.low) == (0, 0)
    assert both.share == pytest.approx(0.01)
    assert both.high < 0.05


def test_only_the_newest_nights_count(database: Database) -> None:
    stored_rule(database)
    for day, name in (("2026-11-01", "old"), ("2026-11-02", "middle"), ("2026-11-03", "new")):
        run = night(database, photo(name, 0.8))
        with database.writing() as connection:
            connection.execute(
                update(runs_table).where(runs_table.c.id == run).values(started_at=f"{day}T02:00:00.000Z")
            )
    assert [(found.photos, found.since) for found in (ask(database, n) for n in (1, 2, 9))] == [
        (1, "2026-11-03"),
        (2, "2026-11-02"),
        (3, "2026-11-01"),
    ]


def test_the_command_prints_a_table_or_json_and_changes_nothing(rig: BatchRig) -> None:
    assert rig.run("what-if")[0] == 2
    softmax = {"sock.jpg": (0.9, 0.05, 0.05), "dim.jpg": (0.2, 0.7, 0.1)}
    rig.stub.check_orders(
        RULE, lambda body: softmax[body.decode().removeprefix("photo ")], match_threshold_range=[0.05, 0.9]
    )
    rig.add(*softmax)
    (rig.inbox / "manifest.csv").write_text("filename,return_id,expected_category\nsock.jpg,1,Socks\ndim.jpg,2,Socks\n")
    assert rig.run()[0] == 0
    before = rig.rows("SELECT * FROM predictions_history")
    rig.environment["MATCH_THRESHOLD"] = "0.25"
    code, output = rig.run("what-if", "--nights", "7", "--json")
    assert code == 0
    found = json.loads(output)
    assert (found["returns"], found["photos"]) == (2, 2)
    cleared = {row["threshold"]: row["returns"] for row in found["rows"]}
    assert (cleared[0.1], cleared[0.25]) == (2, 1)
    code, output = rig.run("what-if")
    assert "0.3 now" in output
    assert "too few checks to tell" in " ".join(output.split())
    assert rig.rows("SELECT * FROM predictions_history") == before
