"""The requests of the returns desk: leases, decisions on what was seen, search, lists and pages."""

import csv
import io
from typing import Any

import pytest

from tests.browser.requests_of_the_desk import TAB
from tests.support.running_desk import RunningDesk, Session


def claim(session: Session, count: int = 3, tab: str = TAB, **more: Any) -> dict[str, Any]:
    answer = session.change("/desk/returns/claim", {"desk": tab, "count": count, **more})
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


def on_screen(card: dict[str, Any]) -> dict[str, Any]:
    photos = [
        {"photo_id": row["photo_id"], "finding": row["finding"], "category": row["final_category"]}
        for row in card["items"]
    ]
    return {"key": card["return_key"], "changed_at": card["changed_at"], "photos": photos}


def decide(session: Session, card: dict[str, Any], **more: Any) -> Any:
    return session.change("/desk/returns/decide", {**on_screen(card), "decision": "cleared", **more})


@pytest.fixture
def filled(desk: RunningDesk) -> RunningDesk:
    desk.add_returns(10)
    return desk


def test_a_claimed_return_has_all_that_the_desk_shows(filled: RunningDesk) -> None:
    answer = claim(filled.session(), 10)
    assert answer["counts"] == {"mismatch": 4, "repeat": 0, "unsure": 6, "all": 10, "asked": 0}
    first = answer["returns"][0]
    assert (first["return_id"], first["ordered"], first["suggested"]) == ("R-5000", "Sarees", "not_what_was_ordered")
    assert [(row["finding"], row["picture"], len(row["top"])) for row in first["items"]] == [
        ("mismatch", "kept", 3)
    ] * 3
    repeat = next(row for card in answer["returns"] for row in card["items"] if row["earlier"])
    assert (repeat["earlier"]["return_id"], repeat["earlier"]["picture"]) == ("R-5008", "kept")


def test_no_two_people_get_the_same_return(filled: RunningDesk) -> None:
    first = claim(filled.session(), 4)["returns"]
    second = claim(filled.session(), 10, tab="tab-00000002")["returns"]
    assert len(first) + len(second) == 10
    assert not {card["return_key"] for card in first} & {card["return_key"] for card in second}


def test_a_decision_is_the_same_for_the_view_and_the_api(filled: RunningDesk) -> None:
    session = filled.session()
    card = claim(session)["returns"][0]
    held = decide(session, card, decision="hold", reason="damaged", note="sole is torn").json()
    assert (held["final_decision"], held["note"]) == ("hold", "sole is torn")
    query = f"SELECT final_decision, reason, decided_by, note FROM returns WHERE return_key = '{card['return_key']}'"
    assert filled.rows(query) == [("hold", "damaged", "local", "sole is torn")]
    back = session.change("/desk/returns/undo", {"key": card["return_key"]}).json()
    assert (back["final_decision"], back["reason"]) == ("open", "mismatch")
    assert session.change("/desk/returns/undo", {"key": card["return_key"]}).json()["error"]["code"] == "cannot_undo"


def test_a_return_that_changed_meanwhile_is_refused_with_what_changed(filled: RunningDesk) -> None:
    session = filled.session()
    card = claim(session)["returns"][0]
    photo = card["items"][1]
    session.change(
        f"/photos/{photo['photo_id']}/verdict", {"prediction_id": photo["prediction_id"], "category": "Belts"}
    )
    refused = decide(session, card)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "return_changed")
    assert refused.json()["error"]["changes"] == ["Photo R-5000_1.jpg is now: not what was ordered."]
    assert filled.rows("SELECT count(*) FROM return_decisions") == [(0,)]


def test_a_repeat_is_judged_and_taken_back(filled: RunningDesk) -> None:
    session = filled.session()
    card = next(card for card in claim(session, 10)["returns"] if any(row["earlier"] for row in card["items"]))
    row = next(row for row in card["items"] if row["earlier"])
    body = {**on_screen(card), "photo_id": row["photo_id"], "earlier_id": row["earlier"]["id"]}
    judged = session.change("/desk/returns/repeat", {**body, "verdict": "another_item"}).json()
    assert judged["repeats"] == 0
    undone = session.change(
        "/desk/returns/repeat/undo", {"key": card["return_key"], "photo_id": row["photo_id"]}
    ).json()
    assert undone["repeats"] == 1
    held = session.change("/desk/returns/repeat", {**body, **on_screen(undone), "verdict": "same_item"}).json()
    assert (held["final_decision"], held["reason"]) == ("hold", "same_item")
    assert "The same item as in return" in session.page("/returns/r%3AR-5008").text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"decision": "hold"}, 422, "invalid_request"),
        ({"key": "r:R-9"}, 404, "no_such_return"),
        ({"key": "R-5000"}, 422, "invalid_request"),
        ({"reason": "because"}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_decided(filled: RunningDesk, body: dict[str, Any], status: int, code: str) -> None:
    session = filled.session()
    answer = decide(session, {**claim(session)["returns"][0]}, **body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_viewer_looks_and_decides_nothing(filled: RunningDesk) -> None:
    filled.add_account("vic", "viewer")
    session = filled.session("vic")
    assert "Only a reviewer can decide" in session.page("/review").text
    body = {"key": "r:R-5000", "kind": "flagged"}
    assert session.change("/desk/returns/mark", body).status_code == 403
    assert session.change("/desk/returns/show", {"key": "r:R-5000"}).status_code == 200


def test_a_filter_survives_the_login(filled: RunningDesk) -> None:
    filled.add_account("ada")
    visitor = filled.session()
    answer = visitor.page("/review?kind=mismatch&category=Belts")
    assert answer.headers["Location"] == "/login?next=/review%3Fkind%3Dmismatch%26category%3DBelts"


def test_search_lands_on_the_return_and_lists_the_rest(filled: RunningDesk) -> None:
    session = filled.session()
    assert session.page("/returns?q=+r-5003+").headers["Location"] == "/returns/r%3AR-5003"
    assert "10 returns" in session.page("/returns?q=r-5").text
    session.change("/desk/returns/mark", {"key": "r:R-5003", "kind": "note", "text": "=torn <b>"})
    session.change("/desk/returns/mark", {"key": "r:R-5003", "kind": "flagged"})
    page = session.page("/returns/r%3AR-5003").text
    assert "=torn &lt;b&gt;" in page
    assert "flagged it" in page
    listed = list(csv.DictReader(io.StringIO(session.page("/returns.csv?flagged=1&noted=1").text)))
    assert [(row["return_id"], row["flagged"], row["note"]) for row in listed] == [("R-5003", "1", "'=torn <b>")]
    waiting = list(csv.DictReader(io.StringIO(session.page("/review/returns.csv?kind=mismatch").text)))
    assert [row["return_id"] for row in waiting] == ["R-5000", "R-5003", "R-5006", "R-5009"]
    assert session.page("/returns/r%3AR-9").status_code == 404
