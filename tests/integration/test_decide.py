"""``batch-client decide``: present thresholds and orders decide about known photos, without the service."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from results import deciding, redecide
from results.database import Database
from results.deciding import Present, apply_to_known
from results.decision_rules import model_rules
from results.orders import Rule
from tests.support.batch_rig import BatchRig
from tests.support.stored_runs import judge
from tests.support.stub_service import prediction

CLASSES = ("Socks", "Belts", "Heels", "Flats")
RULE = Rule(CLASSES, accept_threshold=0.8, unknown_threshold=0.5, match_threshold=0.2, mismatch_threshold=0.01)
SOFTMAX = {
    "sure.jpg": (0.9, 0.05, 0.02, 0.01, 0.02),
    "fair.jpg": (0.5, 0.3, 0.1, 0.05, 0.05),
    "dim.jpg": (0.1, 0.6, 0.1, 0.1, 0.1),
    "wrong.jpg": (0.001, 0.9, 0.03, 0.03, 0.039),
    "free.jpg": (0.95, 0.02, 0.01, 0.01, 0.01),
}
MANIFEST = """filename,return_id,expected_category
sure.jpg,R-1,Socks
fair.jpg,R-1,Socks
dim.jpg,R-2,Socks
wrong.jpg,R-3,Socks
"""
VERDICTS = "SELECT filename, decision, reason, match_verdict, match_probability FROM predictions ORDER BY filename"
STATES = "SELECT coalesce(return_id, 'photo'), final_decision, reason FROM returns ORDER BY 1"


@pytest.fixture
def shop(rig: BatchRig) -> BatchRig:
    """A night of five photos in three returns; decisions of returns wait in the outbox."""
    rig.add(*SOFTMAX)
    (rig.inbox / "manifest.csv").write_text(MANIFEST)
    rig.stub.check_orders(
        RULE, lambda body: SOFTMAX[body.decode().removeprefix("photo ")], match_threshold_range=[0.05, 0.8]
    )
    rig.environment["RETURNS_WEBHOOK_URL"] = "http://127.0.0.1:9/"  # nobody listens: events stay in the outbox
    assert rig.run()[0] == 0
    rig.change("DELETE FROM outbox")
    return rig


def decide(rig: BatchRig, *arguments: str) -> dict[str, object]:
    code, output = rig.run("decide", *arguments, "--json")
    assert code == 0, output
    answer: dict[str, object] = json.loads(output)
    return answer


def test_a_threshold_is_applied_as_if_the_photos_came_today(shop: BatchRig) -> None:
    before, sent = shop.rows(VERDICTS), len(shop.stub.photos)
    shop.environment["MATCH_THRESHOLD"] = "0.09"
    foreseen = decide(shop, "--all", "--dry-run")
    assert foreseen["verdicts"] == [{"from": "unsure", "to": "match", "count": 1}]
    assert foreseen["returns"] == [{"from": "open", "to": "cleared", "count": 1}]
    assert foreseen["return_examples"] == [{"return_key": "r:R-2", "from": "open", "to": "cleared"}]
    assert shop.rows(VERDICTS) == before
    assert shop.rows("SELECT count(*) FROM decision_changes UNION SELECT count(*) FROM outbox") == [(0,)]

    assert decide(shop, "--all") == {**foreseen, "dry_run": False}
    assert shop.rows(STATES) == [
        ("R-1", "cleared", None),
        ("R-2", "cleared", None),
        ("R-3", "open", "mismatch"),
        ("photo", "cleared", None),
    ]
    assert len(shop.stub.photos) == sent
    event = json.loads(shop.rows("SELECT payload FROM outbox")[0][0])
    assert (event["return_id"], event["final_decision"]) == ("R-2", "cleared")
    traced = (
        "SELECT filename, match_threshold FROM photos p JOIN predictions_history h ON h.photo_id = p.id "
        "JOIN decision_rules r ON r.id = h.rule_id WHERE filename < 'g' ORDER BY filename"
    )
    assert shop.rows(traced) == [("dim.jpg", 0.09), ("fair.jpg", 0.2), ("free.jpg", 0.2)]

    assert decide(shop, "--all")["changed"] == 0
    assert shop.rows("SELECT count(*) FROM outbox") == [(1,)]
    decided_later = shop.rows(VERDICTS)
    shop.environment["RESULTS_DB"] = str(shop.results.with_name("fresh.db"))
    assert shop.run()[0] == 0
    shop.results = shop.results.with_name("fresh.db")
    assert shop.rows(VERDICTS) == decided_later


def test_verdicts_of_people_stay(shop: BatchRig) -> None:
    database = Database(str(shop.results))
    try:
        judge(database, "dim.jpg", "ada", "not_ours", None)
    finally:
        database.close()
    shop.environment["MATCH_THRESHOLD"] = "0.09"
    assert decide(shop, "--all")["verdicts"] == [{"from": "unsure", "to": "match", "count": 1}]
    assert shop.rows(STATES)[1] == ("R-2", "hold", "not_what_was_ordered")
    assert shop.rows("SELECT decided_by FROM outcomes WHERE filename = 'dim.jpg'") == [("ada",)]


def test_the_map_of_words_is_applied_to_the_words_as_stored(shop: BatchRig, tmp_path: Path) -> None:
    words = tmp_path / "map.csv"
    words.write_text("shop_category,categories\nSneaker,Socks\n")
    shop.environment["CATEGORY_MAP"] = str(words)
    (shop.inbox / "manifest.csv").write_text(MANIFEST.replace("wrong.jpg,R-3,Socks", "wrong.jpg,R-3,Sneaker"))
    assert shop.run()[0] == 0
    words.write_text("shop_category,categories\nSneaker,Belts|Heels\n")
    answer = decide(shop, "1")
    assert (answer["orders_changed"], answer["verdicts"]) == (1, [{"from": "mismatch", "to": "match", "count": 1}])
    assert shop.rows("SELECT expected_category, shop_category FROM photos WHERE filename = 'wrong.jpg'") == [
        ("Belts|Heels", "Sneaker")
    ]
    assert shop.rows("SELECT cause FROM decision_changes") == [("manifest",)]
    assert shop.rows(STATES)[2] == ("R-3", "cleared", None)
    assert decide(shop, "--all")["orders_changed"] == 0
    assert shop.run("verify")[0] == 0


def test_an_interruption_leaves_whole_returns_and_the_rest_follows(
    shop: BatchRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redecide, "_GROUP", 1)
    monkeypatch.setattr(deciding, "_PAUSE_SECONDS", 0)
    database = Database(str(shop.results))
    try:
        with database.reading() as connection:
            ((versions, model),) = model_rules(connection).items()
        present = Present({versions: replace(model.rule, match_threshold=0.95)})
        stored = []
        with pytest.raises(KeyboardInterrupt):
            for applied in apply_to_known(database, None, present, dry_run=False):
                stored += applied.changes
                if applied.changes:
                    raise KeyboardInterrupt
        assert {change.filename for change in stored} == {"fair.jpg", "sure.jpg"}  # of one return
        rest = [change for applied in apply_to_known(database, None, present, False) for change in applied.changes]
        assert rest == []
    finally:
        database.close()
    assert shop.run("verify")[0] == 0


def test_what_is_newly_accepted_is_drawn_for_spot_checks(shop: BatchRig) -> None:
    shop.environment |= {"MATCH_THRESHOLD": "0.09", "AUDIT_SHARE": "1"}
    decide(shop, "--all")
    assert shop.rows("SELECT p.filename FROM photos p JOIN predictions_history h ON h.photo_id = p.id WHERE audit") == [
        ("dim.jpg",)
    ]


@pytest.mark.parametrize(
    ("arguments", "threshold", "words"),
    [
        ((), "", "name either a run or --all"),
        (("1", "--all"), "", "name either a run or --all"),
        (("9",), "", "there is no run 9"),
        (("--all",), "0.9", "MATCH_THRESHOLD 0.9 is outside 0.05 to 0.8"),
    ],
)
def test_what_cannot_be_done_is_refused(shop: BatchRig, arguments: tuple[str, ...], threshold: str, words: str) -> None:
    shop.environment["MATCH_THRESHOLD"] = threshold
    code, output = shop.run("decide", *arguments)
    assert code == 2
    assert words in output


def test_before_the_first_run_there_is_nothing_to_decide_by(rig: BatchRig) -> None:
    code, output = rig.run("decide", "--all")
    assert code == 2
    assert "Start a run once" in output


def test_the_threshold_is_meant_for_the_model_in_use(shop: BatchRig) -> None:
    """A photo that only an older model saw keeps the threshold of that model's contract."""
    (shop.inbox / "sure.jpg").unlink()
    (shop.inbox / "dim.jpg").unlink()
    (shop.inbox / "manifest.csv").write_text("filename,return_id,expected_category\nfair.jpg,R-1,Socks\n")
    shop.stub.model_version = "2.0.0"
    describes = shop.stub.describes()[1]
    shop.stub.describes = lambda: (200, {**describes, "model_version": "2.0.0"})
    answered = prediction("Socks", "2.0.0")
    shop.stub.answer = lambda body, attempt: answered
    assert shop.run()[0] == 0
    shop.environment["MATCH_THRESHOLD"] = "0.6"
    answer = decide(shop, "--all")
    assert answer["verdicts"] == [{"from": "match", "to": "unsure", "count": 1}]
    assert shop.rows("SELECT filename, model_version, match_verdict FROM predictions WHERE filename < 'g'") == [
        ("dim.jpg", "1.0.0", "unsure"),
        ("fair.jpg", "2.0.0", "unsure"),
        ("free.jpg", "2.0.0", None),
    ]
    rules = "SELECT model_version, match_threshold, used_at > '' FROM decision_rules ORDER BY 1, 2"
    assert shop.rows(rules) == [("1.0.0", 0.2, 1), ("2.0.0", 0.2, 1), ("2.0.0", 0.6, 1)]
    assert decide(shop, "--all")["changed"] == 0
