"""The rule for returns, as a table; what counts for each photo; and the events for the shop's system."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import insert, select

from results import outbox, photos, returns, reviews, runs
from results.database import Database
from results.orders import Rule, pack
from results.photos import Classified, Failed
from results.redecide import photos_of, redecide
from results.reviews import Kind
from results.schema import decision_changes, predictions_history, return_decisions, return_states
from results.schema import photos as photos_table
from results.sql import now
from results.verify import verify
from results.views import outcomes, predictions
from tests.support.stored_runs import answer, failure, judge, night, photo_id

CLASSES = ("Socks", "Belts", "Heels", "Flats")
RULE = Rule(CLASSES, accept_threshold=0.8, unknown_threshold=0.5, match_threshold=0.1, mismatch_threshold=0.01)


@dataclass(frozen=True)
class Case:
    """One line of the table: the findings of the photos of a return, and what becomes of it."""

    findings: str
    decision: str
    reason: str | None = None


# m, u, x: the order check says match, unsure, mismatch. M, X, U: a person says what was ordered, another item,
# unusable. r: repeats a photo of another return. f: failed. A digit after it: which of several orders the photo is of.
TABLE = [
    Case("m", "cleared"),
    Case("mm", "cleared"),
    Case("mu", "cleared"),
    Case("mU", "cleared"),
    Case("u", "open", "unsure"),
    Case("U", "open", "unusable_photos"),
    Case("Uu", "open", "unsure"),
    Case("x", "open", "mismatch"),
    Case("mx", "open", "mismatch"),
    Case("r", "open", "repeat"),
    Case("mr", "open", "repeat"),
    Case("f", "open", "failed_photo"),
    Case("mf", "open", "failed_photo"),
    Case("xrf", "open", "mismatch"),
    Case("M", "cleared"),
    Case("Mu", "cleared"),
    Case("Mx", "open", "mismatch"),
    Case("X", "hold", "not_what_was_ordered"),
    Case("mX", "hold", "not_what_was_ordered"),
    Case("m1m2", "cleared"),
    Case("m1u2", "open", "missing_item"),
    Case("m1M2", "cleared"),
    Case("m1X2", "hold", "not_what_was_ordered"),
]
ORDERS = {"1": "Socks", "2": "Heels"}


def outcome(name: str, finding: str, order: str, return_id: str = "R-1") -> Classified | Failed:
    """Return what the client stores for a photo with this finding, before a person looks at it."""
    sha256 = f"{sum(name.encode()) % 256:02x}"
    if finding == "f":
        return replace(failure(name, sha256, return_id), expected_category=order)
    verdict = {"m": "match", "u": "unsure", "x": "mismatch", "r": "match"}.get(finding, "unsure")
    reason = {"unsure": "unsure_match", "mismatch": "mismatch"}.get(verdict)
    return replace(
        answer(name, sha256, return_id),
        predicted_class=order,
        top3=[{"class": order, "probability": 0.91}],
        decision="review" if reason else "accept",
        reason=reason,
        expected_category=order,
        match_probability=0.9,
        match_verdict=verdict,
    )


def state(database: Database, key: str = "r:R-1") -> dict[str, object]:
    with database.reading() as connection:
        row = connection.execute(select(return_states).where(return_states.c.return_key == key)).mappings().one()
        return dict(row)


def sound(database: Database) -> bool:
    with database.reading() as connection:
        return verify(connection) == []


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.findings)
def test_the_rule(database: Database, case: Case) -> None:
    letters = [
        (letter, ORDERS[case.findings[place + 1 : place + 2] or "1"] if has_digit else "Socks")
        for place, letter in enumerate(case.findings)
        if not letter.isdigit()
        for has_digit in [case.findings[place + 1 : place + 2].isdigit()]
    ]
    if "r" in case.findings:  # the same bytes came before, for another return
        place = next(place for place, (letter, _) in enumerate(letters) if letter == "r")
        earlier = outcome(f"{place}.jpg", "m", "Socks", "R-0")
        night(database, replace(earlier, photo=replace(earlier.photo, filename="earlier.jpg")))
    night(database, *(outcome(f"{place}.jpg", letter, order) for place, (letter, order) in enumerate(letters)))
    for place, (letter, order) in enumerate(letters):
        if letter in "MXU":
            kind: Kind = "unusable" if letter == "U" else "category"
            to_class = {"M": order, "X": "Belts", "U": None}[letter]
            judge(database, f"{place}.jpg", "ada", kind, to_class)
    found = state(database)
    assert (found["final_decision"], found["reason"]) == (case.decision, case.reason)
    assert found["photos"] == len(letters)
    by_person = "X" in case.findings or ("M" in case.findings and case.decision == "cleared")
    assert found["decided_by"] == (None if case.decision == "open" else "ada" if by_person else "model")
    assert (found["decided_at"] is None) is (case.decision == "open")
    assert found["ordered"] == ", ".join(sorted({order for _, order in letters}))
    assert sound(database)


def test_a_photo_without_a_return_is_a_return_of_its_own(database: Database) -> None:
    night(
        database,
        answer("sure.jpg", "aa"),
        replace(answer("unsure.jpg", "bb"), decision="review", reason="low_confidence"),
    )
    with database.reading() as connection:
        keys = {name: f"p:{photo_id(connection, name)}" for name in ("sure.jpg", "unsure.jpg")}
    assert state(database, keys["sure.jpg"])["final_decision"] == "cleared"
    assert state(database, keys["unsure.jpg"])["reason"] == "unsure"
    judge(database, "unsure.jpg", "ada", "not_ours", None)
    assert state(database, keys["unsure.jpg"])["final_decision"] == "hold"


def test_copies_within_a_return_are_no_repeats_of_another(database: Database) -> None:
    first = outcome("1.jpg", "m", "Socks")
    night(database, first, replace(first, photo=replace(first.photo, filename="again.jpg")))
    assert state(database)["final_decision"] == "cleared"


def test_an_undo_brings_the_models_decision_back(database: Database) -> None:
    night(database, outcome("1.jpg", "m", "Socks"))
    review_id = judge(database, "1.jpg", "ada", "not_ours", None)
    with database.reading() as connection:
        held = connection.execute(select(outcomes)).mappings().one()
    assert (held["final_decision"], held["decided_by"], held["final_category"]) == ("hold", "ada", None)
    with database.writing() as connection:
        number = reviews.undo(connection, "ada", review_id, may_undo_others=False)
        returns.refresh(connection, [number])
    with database.reading() as connection:
        row = connection.execute(select(outcomes)).mappings().one()
        model = connection.execute(select(predictions)).mappings().one()
    assert (row["final_decision"], row["decided_by"], row["final_category"]) == ("cleared", "model", "Socks")
    assert row["decided_at"] == model["timestamp"]
    assert state(database)["final_decision"] == "cleared"


def test_an_order_of_several_categories_is_met_by_each_of_them(database: Database) -> None:
    both = replace(outcome("1.jpg", "u", "Heels"), expected_category="Heels|Flats")
    night(database, both)
    judge(database, "1.jpg", "ada", "category", "Flats")
    assert (state(database)["final_decision"], state(database)["ordered"]) == ("cleared", "Heels or Flats")


def test_rows_without_an_order_check_keep_what_they_said(database: Database) -> None:
    old = replace(answer("old.jpg", "aa", "R-1"), expected_category="Belts", decision="review", reason="low_confidence")
    night(database, old)
    with database.reading() as connection:
        row = connection.execute(select(predictions.c.mismatch, predictions.c.match_verdict)).one()
    assert tuple(row) == (1, None)
    assert state(database)["reason"] == "mismatch"


def test_failed_photos_are_outcomes_too(database: Database) -> None:
    night(database, failure("bad.txt", "cc", "R-1"))
    with database.reading() as connection:
        row = connection.execute(select(outcomes)).mappings().one()
    assert (row["status"], row["final_decision"], row["error_code"]) == ("failed", "open", "unsupported_format")
    assert row["predicted_class"] is None


class TestDecisionsOnReturns:
    def decide(self, database: Database, decision: str, at: str | None = None, undoes: int | None = None) -> int:
        row = {
            "return_key": "r:R-1",
            "decision": decision,
            "reason": "damaged",
            "note": "sole is torn",
            "undoes": undoes,
        }
        with database.writing() as connection:
            new = insert(return_decisions).values(decided_by="lena", decided_at=at or now(), **row)
            number = int(connection.execute(new.returning(return_decisions.c.id)).scalar_one())
            returns.refresh_keys(connection, ["r:R-1"])
        return number

    def test_a_person_wins_over_the_model_until_it_is_undone(self, database: Database) -> None:
        night(database, outcome("1.jpg", "m", "Socks"))
        number = self.decide(database, "hold")
        found = state(database)
        names = ("final_decision", "reason", "decided_by", "note")
        assert [found[name] for name in names] == ["hold", "damaged", "lena", "sole is torn"]
        self.decide(database, "undone", undoes=number)
        assert [state(database)[name] for name in names] == ["cleared", None, "model", None]
        assert sound(database)

    def test_a_photo_that_comes_later_opens_a_cleared_return_again(self, database: Database) -> None:
        night(database, outcome("1.jpg", "x", "Socks"))
        self.decide(database, "cleared")
        assert state(database)["final_decision"] == "cleared"
        night(database, outcome("2.jpg", "x", "Socks"))
        assert (state(database)["final_decision"], state(database)["reason"]) == ("open", "new_photos")

    def test_a_hold_stays_whatever_comes(self, database: Database) -> None:
        night(database, outcome("1.jpg", "m", "Socks"))
        self.decide(database, "hold")
        night(database, outcome("2.jpg", "m", "Socks"))
        assert state(database)["final_decision"] == "hold"


class TestRedecide:
    def stored(self, database: Database, probabilities: Sequence[float], expected: str | None = None) -> int:
        stored = replace(answer("1.jpg", "aa", "R-1"), probabilities=probabilities, expected_category=expected)
        if expected is not None:
            stored = replace(stored, match_probability=0.9, match_verdict="match")
        night(database, stored)
        with database.reading() as connection:
            return photo_id(connection, "1.jpg")

    def test_a_changed_order_is_decided_without_the_service_and_leaves_a_trace(self, database: Database) -> None:
        number = self.stored(database, (0.9, 0.005, 0.05, 0.02, 0.025), "Socks")
        with database.writing() as connection:
            connection.execute(photos_table.update().values(expected_category="Belts"))
            foreseen = redecide(connection, [number], RULE, "manifest", dry_run=True)
            assert state_in(connection) == "cleared"
            changes = redecide(connection, [number], RULE, "manifest")
            assert changes == foreseen
            assert redecide(connection, [number], RULE, "manifest") == []
        assert [(change.was.match_verdict, change.is_now.match_verdict) for change in changes] == [
            ("match", "mismatch")
        ]
        with database.reading() as connection:
            trace = connection.execute(select(decision_changes)).mappings().one()
            row = connection.execute(select(predictions)).mappings().one()
        assert json.loads(trace["was"])["match_verdict"] == "match"
        assert (row["decision"], row["reason"], row["match_verdict"], row["mismatch"]) == (
            "review",
            "mismatch",
            "mismatch",
            1,
        )
        assert row["match_probability"] == pytest.approx(0.005, abs=1e-4)
        assert state(database)["reason"] == "mismatch"
        assert sound(database)

    @pytest.mark.parametrize(
        ("probabilities", "expected", "decided"),
        [
            ((0.9, 0.01, 0.01, 0.01, 0.07), None, ("accept", None, None)),
            ((0.5, 0.3, 0.1, 0.05, 0.05), None, ("review", "low_confidence", None)),
            ((0.3, 0.01, 0.01, 0.01, 0.67), None, ("review", "unknown_item", None)),
            ((0.04, 0.8, 0.07, 0.04, 0.05), "Heels|Flats", ("accept", None, "match")),
            ((0.04, 0.8, 0.05, 0.01, 0.1), "Heels|Flats", ("review", "unsure_match", "unsure")),
            ((0.04, 0.94, 0.005, 0.002, 0.013), "Heels|Flats", ("review", "mismatch", "mismatch")),
        ],
    )
    def test_it_decides_as_the_service_does(
        self,
        database: Database,
        probabilities: tuple[float, ...],
        expected: str | None,
        decided: tuple[str, str | None, str | None],
    ) -> None:
        self.stored(database, probabilities)
        with database.writing() as connection:
            connection.execute(photos_table.update().values(expected_category=expected))
            for group in photos_of(connection):
                redecide(connection, group, RULE, "threshold")
        with database.reading() as connection:
            row = connection.execute(select(predictions)).mappings().one()
        assert (row["decision"], row["reason"], row["match_verdict"]) == decided

    def test_predictions_without_probabilities_keep_their_decision(self, database: Database) -> None:
        night(database, answer("1.jpg", "aa"))
        with database.writing() as connection:
            connection.execute(photos_table.update().values(expected_category="Belts"))
            assert [redecide(connection, group, RULE, "manifest") for group in photos_of(connection)] == [[]]

    def test_only_the_photos_of_a_run(self, database: Database) -> None:
        night(database, answer("1.jpg", "aa"))
        run = night(database, answer("2.jpg", "bb"), answer("3.jpg", "cc"))
        with database.reading() as connection:
            numbers = [photo_id(connection, name) for name in ("2.jpg", "3.jpg")]
            assert list(photos_of(connection, run)) == [numbers]

    def test_probabilities_take_two_bytes_each(self, database: Database) -> None:
        self.stored(database, (0.9, 0.01, 0.01, 0.01, 0.07))
        with database.reading() as connection:
            stored = connection.execute(select(predictions_history.c.probabilities)).scalar_one()
        assert bytes(stored) == pack((0.9, 0.01, 0.01, 0.01, 0.07))
        assert len(stored) == 10


class TestOutbox:
    @pytest.fixture
    def recording(self, database: Database) -> Database:
        database.records_events = True
        return database

    def events(self, database: Database) -> list[dict[str, object]]:
        with database.reading() as connection:
            return [json.loads(event.payload) for event in outbox.due(connection, 100)]

    def test_each_final_decision_is_one_event_and_a_reopened_return_another(self, recording: Database) -> None:
        night(recording, outcome("1.jpg", "m", "Socks"), outcome("2.jpg", "u", "Socks", "R-2"))
        review_id = judge(recording, "1.jpg", "ada", "unusable", None)
        with recording.writing() as connection:
            number = reviews.undo(connection, "ada", review_id, may_undo_others=False)
            returns.refresh(connection, [number])
        found = self.events(recording)
        assert [(event["event"], event["return_id"], event["final_decision"]) for event in found] == [
            ("return.decided", "R-1", "cleared"),
            ("return.reopened", "R-1", "open"),
            ("return.decided", "R-1", "cleared"),
        ]
        assert len({event["event_id"] for event in found}) == 3

    def test_a_rolled_back_decision_leaves_no_event(self, recording: Database) -> None:
        with pytest.raises(RuntimeError), recording.writing() as connection:
            run = runs.start_run(connection, "/inbox")
            photos.store(connection, run, outcome("1.jpg", "m", "Socks"))
            raise RuntimeError("killed before the commit")
        assert self.events(recording) == []

    def test_nothing_is_written_where_nobody_delivers(self, database: Database) -> None:
        night(database, outcome("1.jpg", "m", "Socks"))
        assert self.events(database) == []

    def test_a_failed_delivery_waits_longer_each_time_and_a_confirmed_one_is_gone(self, recording: Database) -> None:
        night(recording, outcome("1.jpg", "m", "Socks"))
        with recording.writing() as connection:
            (event,) = outbox.due(connection, 10)
            outbox.postpone(connection, event, "connection refused")
            assert outbox.due(connection, 10) == []
            assert outbox.count_waiting(connection) == 1
            outbox.confirm(connection, event)
            assert outbox.count_waiting(connection) == 0


def state_in(connection: object) -> str:
    query = select(return_states.c.final_decision)
    return str(connection.execute(query).scalar_one())  # type: ignore[attr-defined]
