"""The order decides: with the request, from a manifest that comes late, and for photos with the same bytes."""

import base64
import shutil
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from results.orders import Rule, pack, unpack
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import encoded, striped
from tests.support.shop_receiver import shop_receiver
from tests.support.stub_service import prediction

CLASSES = ("Socks", "Belts", "Heels", "Flats")
RULE = Rule(CLASSES, accept_threshold=0.8, unknown_threshold=0.5, match_threshold=0.1, mismatch_threshold=0.01)
SOFTMAX = {
    "sock.jpg": (0.95, 0.01, 0.005, 0.005, 0.03),
    "heel.jpg": (0.005, 0.005, 0.6, 0.36, 0.03),
    "dim.jpg": (0.05, 0.55, 0.1, 0.1, 0.2),
    "late.jpg": (0.2, 0.2, 0.2, 0.2, 0.2),
}
DECISIONS = "SELECT filename, decision, reason, match_verdict, mismatch, return_id FROM predictions ORDER BY filename"


@pytest.fixture
def shop(rig: BatchRig) -> BatchRig:
    """An inbox of three photos, and a model with an order check."""
    rig.add("sock.jpg", "heel.jpg", "dim.jpg")
    rig.stub.check_orders(RULE, lambda body: SOFTMAX[body.decode().removeprefix("photo ")])
    return rig


def write_manifest(rig: BatchRig, **orders: str) -> None:
    lines = [f"{name}.jpg,R-{number},{order}" for number, (name, order) in enumerate(orders.items(), 1)]
    (rig.inbox / "manifest.csv").write_text("\n".join(["filename,return_id,expected_category", *lines, ""]))


def test_the_order_decides_and_is_stored(shop: BatchRig) -> None:
    write_manifest(shop, sock="Socks", heel="Socks", dim="Socks")
    assert shop.run()[0] == 0
    assert sorted(shop.stub.orders) == ["Socks"] * 3
    assert shop.rows(DECISIONS) == [
        ("dim.jpg", "review", "unsure_match", "unsure", 0, "R-3"),
        ("heel.jpg", "review", "mismatch", "mismatch", 1, "R-2"),
        ("sock.jpg", "accept", None, "match", 0, "R-1"),
    ]
    assert shop.rows("SELECT return_id, final_decision, reason FROM returns ORDER BY return_id") == [
        ("R-1", "cleared", None),
        ("R-2", "open", "mismatch"),
        ("R-3", "open", "unsure"),
    ]
    assert shop.rows("SELECT DISTINCT length(probabilities) FROM predictions_history") == [(10,)]
    assert shop.run("verify")[0] == 0


def test_a_manifest_that_comes_late_is_applied_without_sending_again(shop: BatchRig) -> None:
    assert shop.run()[0] == 0
    assert shop.rows(DECISIONS) == [
        ("dim.jpg", "review", "low_confidence", None, None, None),
        ("heel.jpg", "review", "low_confidence", None, None, None),
        ("sock.jpg", "accept", None, None, None, None),
    ]
    sent = len(shop.stub.photos)
    write_manifest(shop, sock="Heels", heel="Heels")
    assert shop.run()[0] == 0
    assert shop.newest_run()["known"] == 3
    assert len(shop.stub.photos) == sent
    assert shop.rows(DECISIONS) == [
        ("dim.jpg", "review", "low_confidence", None, None, None),
        ("heel.jpg", "accept", None, "match", 0, "R-2"),
        ("sock.jpg", "review", "mismatch", "mismatch", 1, "R-1"),
    ]
    assert shop.rows("SELECT return_key, final_decision FROM returns ORDER BY return_key")[1:] == [
        ("r:R-1", "open"),
        ("r:R-2", "cleared"),
    ]
    assert shop.rows("SELECT count(*) FROM decision_changes") == [(2,)]
    assert shop.rows("SELECT count(*) FROM photos") == [(3,)]
    assert shop.run("verify")[0] == 0


def test_a_late_manifest_withdraws_what_the_shops_system_heard_of_a_photo_without_return(shop: BatchRig) -> None:
    with shop_receiver() as receiver:
        shop.environment["RETURNS_WEBHOOK_URL"] = receiver.url
        shop.environment["RETURNS_WEBHOOK_SECRET"] = "secret"
        assert shop.run()[0] == 0
        write_manifest(shop, sock="Socks")
        assert shop.run()[0] == 0
        events = [(event["event"], event["return_id"], event["photos"]) for event in receiver.events("secret")]
        assert events[0] == ("return.decided", None, 1)
        assert sorted(events[1:], key=str) == [("return.decided", "R-1", 1), ("return.reopened", None, 0)]
        assert len({event["return_key"] for event in receiver.events("secret") if event["return_id"] is None}) == 1


def test_a_corrected_manifest_changes_the_decision_back(shop: BatchRig) -> None:
    write_manifest(shop, sock="Heels")
    assert shop.run()[0] == 0
    write_manifest(shop, sock="Socks")
    assert shop.run()[0] == 0
    assert shop.rows(DECISIONS)[-1] == ("sock.jpg", "accept", None, "match", 0, "R-1")
    assert shop.rows("SELECT count(*) FROM review_queue JOIN photos ON photo_id = id WHERE filename = 'sock.jpg'") == [
        (0,)
    ]


def test_a_changed_manifest_reaches_photos_that_were_put_away(shop: BatchRig) -> None:
    jpeg = base64.b64encode(encoded(striped())).decode()
    shop.stub.picture = lambda body: {"thumbnail": jpeg, "jpeg": jpeg, "orientation": 1}
    write_manifest(shop, sock="Heels", heel="Heels")
    assert shop.run("run", "--processed", "move")[0] == 0
    shutil.rmtree(shop.environment["PROCESSED_DIR"])  # their files are gone
    sent = len(shop.stub.photos)
    write_manifest(shop, sock="Socks", heel="Flats")
    code, output = shop.run("run", "--processed", "move")
    assert code == 0, output
    assert (shop.newest_run()["found"], len(shop.stub.photos)) == (0, sent)
    assert "stored without a return" not in output
    assert shop.rows(DECISIONS)[1:] == [
        ("heel.jpg", "accept", None, "match", 0, "R-2"),
        ("sock.jpg", "accept", None, "match", 0, "R-1"),
    ]
    assert shop.rows("SELECT return_id, ordered, final_decision FROM returns WHERE return_id <> '' ORDER BY 1") == [
        ("R-1", "Socks", "cleared"),
        ("R-2", "Flats", "cleared"),
    ]
    assert shop.run("verify")[0] == 0


def test_a_late_line_of_a_photo_that_was_put_away_is_told_with_the_remedy(shop: BatchRig) -> None:
    """Its name may be that of another photo by now: nobody's refund may hang on that."""
    assert shop.run("run", "--processed", "move")[0] == 0
    write_manifest(shop, sock="Socks")
    told = "manifest.csv: 1 line names a photo stored without a return, whose file is gone from the source: 'sock.jpg'."
    code, output = shop.run("run", "--processed", "move")
    assert (code, told in " ".join(output.split())) == (0, True), output
    assert shop.rows("SELECT count(*) FROM photos WHERE return_id <> ''") == [(0,)]
    shutil.move(Path(shop.environment["PROCESSED_DIR"]) / "sock.jpg", shop.inbox / "sock.jpg")
    for _ in range(2):  # it is put away again, and its line is no news
        code, output = shop.run("run", "--processed", "move")
        assert (code, "stored without a return" in output) == (0, False), output
    assert shop.rows(DECISIONS)[-1] == ("sock.jpg", "accept", None, "match", 0, "R-1")


def test_a_photo_whose_order_is_new_gets_a_picture_if_a_person_must_look(shop: BatchRig) -> None:
    jpeg = base64.b64encode(encoded(striped())).decode()
    shop.stub.picture = lambda body: {"thumbnail": jpeg, "jpeg": jpeg, "orientation": 1}
    assert shop.run()[0] == 0
    write_manifest(shop, sock="Heels")
    assert shop.stub.pictures == []
    assert shop.run()[0] == 0
    assert shop.stub.pictures == [b"photo sock.jpg"]


def test_the_same_bytes_are_decided_by_their_own_order(shop: BatchRig) -> None:
    (shop.inbox / "zz-copy.jpg").write_bytes(b"photo sock.jpg")
    (shop.inbox / "manifest.csv").write_text(
        "filename,return_id,expected_category\nsock.jpg,R-1,Socks\nzz-copy.jpg,R-2,Heels\n"
    )
    assert shop.run()[0] == 0
    copy = shop.rows(
        "SELECT decision, match_verdict, reused, repeat_kind FROM predictions WHERE filename = 'zz-copy.jpg'"
    )
    assert copy[0][:2] == ("review", "mismatch")
    assert copy[0][3] == "exact"
    assert shop.run("verify")[0] == 0


def test_a_model_without_an_order_check_gets_no_orders(rig: BatchRig) -> None:
    rig.add("sock.jpg", "belt.jpg")
    rig.stub.answer = lambda body, attempt: prediction("Socks")
    (rig.inbox / "manifest.csv").write_text("filename,expected_category\nsock.jpg,Socks\nbelt.jpg,Belts\n")
    assert rig.run()[0] == 0
    assert rig.stub.orders == []
    assert rig.rows("SELECT filename, match_verdict, mismatch FROM predictions ORDER BY filename") == [
        ("belt.jpg", None, 1),
        ("sock.jpg", None, 0),
    ]


class TestMatchThreshold:
    """MATCH_THRESHOLD overrides the threshold of the model, within what calibration measured."""

    MEASURED: ClassVar = {"match_threshold_range": [0.05, 0.7]}
    RULES = (
        "SELECT filename, p.match_verdict, r.match_threshold, r.contract_match_threshold FROM predictions p "
        "JOIN predictions_history h ON h.photo_id = p.photo_id AND h.run_id = p.run_id "
        "JOIN decision_rules r ON r.id = h.rule_id ORDER BY filename"
    )

    def test_it_decides_instead_of_the_contract_and_can_be_traced(self, shop: BatchRig) -> None:
        shop.stub.check_orders(RULE, shop.stub.softmax, **self.MEASURED)
        write_manifest(shop, sock="Socks", heel="Heels", dim="Socks")
        assert shop.run()[0] == 0
        write_manifest(shop, sock="Socks", heel="Heels", dim="Belts")
        shop.environment["MATCH_THRESHOLD"] = "0.7"
        shop.add("late.jpg")
        assert shop.run()[0] == 0
        assert shop.rows(self.RULES) == [
            ("dim.jpg", "unsure", 0.7, 0.1),
            ("heel.jpg", "match", 0.1, 0.1),
            ("late.jpg", None, 0.7, 0.1),
            ("sock.jpg", "match", 0.1, 0.1),
        ]
        assert shop.rows("SELECT json_extract(was, '$.match_verdict') FROM decision_changes") == [("unsure",)]

    def test_photos_decided_at_once_and_later_agree(self, shop: BatchRig) -> None:
        """The threshold lies between the probability and the float16 that is stored of it."""
        shop.stub.check_orders(replace(RULE, match_threshold=0.30005), lambda body: (0.3001, 0.5, 0.1, 0.05, 0.0499))
        stored = unpack(pack([0.3001]))[0]
        assert stored < 0.30005 < 0.3001
        write_manifest(shop, sock="Socks")
        assert shop.run()[0] == 0
        write_manifest(shop, sock="Socks", heel="Socks")
        assert shop.run()[0] == 0
        verdicts = shop.rows("SELECT match_verdict, match_probability FROM predictions WHERE filename <> 'dim.jpg'")
        assert verdicts == [("unsure", stored)] * 2

    @pytest.mark.parametrize("threshold", ["0.04", "0.71"])
    def test_what_calibration_did_not_measure_is_refused(self, shop: BatchRig, threshold: str) -> None:
        shop.stub.check_orders(RULE, shop.stub.softmax, **self.MEASURED)
        shop.environment["MATCH_THRESHOLD"] = threshold
        code, output = shop.run()
        assert code == 2
        assert f"MATCH_THRESHOLD {threshold} is outside 0.05 to 0.7" in " ".join(output.split())
        assert shop.newest_run()["left"] == 3
        assert shop.stub.photos == []

    def test_a_contract_without_a_measured_range_refuses_it(self, shop: BatchRig) -> None:
        shop.environment["MATCH_THRESHOLD"] = "0.2"
        code, output = shop.run()
        assert code == 2
        assert "does not say which thresholds were measured" in " ".join(output.split())
