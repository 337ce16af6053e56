"""What a lead reads at 8 AM: the same numbers in terminal, log, reports, mail and webhook."""

import email
import email.policy
import json
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import update

from batch_client.exit_codes import ExitCode
from batch_client.reports.morning_text import summary_lines
from results import morning, returns, runs, schema, spot_checks
from results.database import Database
from results.morning import MismatchPair, MorningSummary, OldestReturn
from results.photos import Classified
from results.return_lists import decide_return
from tests.support.batch_rig import BatchRig
from tests.support.report_rows import answer, failure, store
from tests.support.stub_service import NOT_A_PHOTO, prediction

OLD = "2026-11-20T02:03:04.000Z"
EIGHT = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
QUIET = MorningSummary((1,), 0, 0, 0, 0, None, 0, (), 0, 0, 0, 0, (), ())


def mismatch(name: str, sha256: str, ordered: str, return_id: str = "") -> Classified:
    verdict = {"reason": "mismatch", "match_verdict": "mismatch", "match_probability": 0.001}
    return answer(name, sha256, "review", return_id=return_id, expected_category=ordered, **verdict)


@pytest.fixture
def night(database: Database) -> tuple[Database, int]:
    """An old return that waits, then a night with a bit of everything."""
    store(database, answer("old.jpg", "01", "review", return_id="R-0"))
    with database.writing() as connection:
        connection.execute(update(schema.photos).values(created_at=OLD))
        returns.refresh_keys(connection, ["r:R-0"])
    run = store(
        database,
        answer("a.jpg", "aa", return_id="R-1"),
        mismatch("b.jpg", "bb", "Heels", "R-2"),
        mismatch("c.jpg", "cc", "Heels", "R-2"),
        mismatch("d.jpg", "dd", "Belts|Wallets"),
        answer("e.jpg", "01", return_id="R-3"),
        failure("bad.jpg", "ff"),
        answer("held.jpg", "ee", "review", return_id="R-4"),
        left=2,
    )
    with database.writing() as connection:
        decide_return(connection, "r:R-4", "hold", "Ada", "damaged")
        runs.store_notes(connection, run, [("manifest", "line 3 names no photo"), ("left", "1 is being written")])
    return database, run


def test_a_summary_of_a_run_and_of_what_waits(night: tuple[Database, int]) -> None:
    database, run = night
    with database.reading() as connection:
        row = runs.find_run(connection, run)
        assert row is not None
        summary = morning.summarize(connection, row)
    assert summary == MorningSummary(
        run_ids=(run,),
        cleared=1,
        hold=1,
        open=4,
        waiting=5,
        oldest=OldestReturn("r:R-0", "R-0", "unsure", OLD),
        mismatches=3,
        pairs=(MismatchPair("Heels", "Socks", 2), MismatchPair("Belts or Wallets", "Socks", 1)),
        exact_repeats=1,
        near_repeats=0,
        failed=1,
        left=2,
        manifest_problems=("line 3 names no photo",),
        warnings=(),
    )
    assert summary_lines(summary, "https://desk.example/", EIGHT) == [
        "returns of this run: 1 cleared, 1 on hold, 4 wait for a person",
        "waiting in all: 5 returns; the oldest is R-0, since 2026-11-20 02:03 UTC (8 days)",
        "not what was ordered: 3 photos: 2 Heels ordered, looks like Socks; "
        "1 Belts or Wallets ordered, looks like Socks",
        "repeats of earlier photos: 1 with the same bytes, 0 of the same picture",
        "newly failed: 1 photo",
        "left to the next run: 2 photos",
        "problems of the manifest: 1",
        "go on in the review desk: https://desk.example/",
    ]


def test_a_quiet_night_says_only_that() -> None:
    assert summary_lines(QUIET, None, EIGHT) == [
        "returns of this run: 0 cleared, 0 on hold, 0 wait for a person",
        "go on in the review desk: make web starts it; DESK_URL puts its address here",
    ]


def test_spot_checks_that_are_due(database: Database) -> None:
    store(
        database,
        answer("a.jpg", "aa", audit=True),
        answer("b.jpg", "bb"),
        answer("c.jpg", "cc", "review"),
        answer("d.jpg", "dd", audit=True),
    )
    with database.reading() as connection:
        assert spot_checks.count_due(connection, 10) == 2
        assert spot_checks.count_due(connection, 1) == 1
        assert spot_checks.photos_due(connection, 10) == [1, 4]


class TestReport:
    @pytest.fixture
    def rig(self, rig: BatchRig) -> BatchRig:
        rig.environment["DESK_URL"] = "https://desk.example"
        rig.add("straße.jpg", "<b>bad.jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        return rig

    def test_stands_in_terminal_log_json_and_html(self, rig: BatchRig) -> None:
        code, output = rig.run()
        assert code == ExitCode.PHOTOS_FAILED
        reports = Path(rig.environment["REPORT_DIR"])
        report = json.loads((reports / "run-1.json").read_text())
        assert report["summary"]["cleared"] == report["summary"]["open"] == 1
        log = (Path(rig.environment["LOG_DIR"]) / "batch.log").read_text()
        assert len(report["text"].splitlines()) == 4
        for line in report["text"].splitlines():
            assert line in " ".join(output.split())
            assert f"run 1: {line}" in log
        page = (reports / "run-1.html").read_text()
        assert '<a href="https://desk.example/">Go on in the review desk</a>' in page
        assert '<b class="number">1</b> cleared' in page

    def test_is_printed_as_text_and_html(self, rig: BatchRig) -> None:
        rig.run()
        text = rig.run("report", "1")[1]
        assert "returns of this run: 1 cleared, 0 on hold, 1 waits for a person" in text
        assert "- <b>bad.jpg: " in text
        assert rig.run("report", "1", "--format", "html")[1].startswith("<!doctype html>")
        assert json.loads(rig.run("report", "1", "--json")[1])["summary"]["failed"] == 1
        assert rig.run("report", "9")[0] == ExitCode.USAGE

    def test_is_a_mail_for_sendmail(self, rig: BatchRig) -> None:
        rig.run()
        addresses = ("--to", "Lead <lead@shop.example>, b@shop.example", "--from", "desk@shop.example")
        code, output = rig.run("report", "1", "--format", "mail", *addresses)
        assert code == ExitCode.OK
        assert output.isascii()
        assert max(map(len, output.splitlines())) < 998, "RFC 5322, 2.1.1"
        message = email.message_from_string(output, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert [address.addr_spec for address in message["To"].addresses] == ["lead@shop.example", "b@shop.example"]
        assert message["From"].addresses[0].addr_spec == "desk@shop.example"
        assert message["Date"].datetime.tzinfo is not None
        assert message["Message-ID"].strip().endswith("@shop.example>")
        assert message["Subject"].endswith(": 1 cleared, 0 on hold, 1 to decide")
        assert message.get_content_type() == "multipart/alternative"
        text, page = message.iter_parts()
        assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
        assert text.get_content() == rig.run("report", "1")[1]
        assert "&lt;b&gt;bad.jpg" in page.get_content()
        assert 'href="https://desk.example/"' in page.get_content()

    def test_needs_no_address_but_takes_no_second_header(self, rig: BatchRig) -> None:
        rig.run()
        message = email.message_from_string(rig.run("report", "1", "--format", "mail")[1], policy=email.policy.default)
        assert message["To"] is None
        assert "@" in message["From"]
        assert rig.run("report", "1", "--format", "mail", "--to", "a@b.example\nBcc: x@y.example")[0] == ExitCode.USAGE

    def test_none_is_written_on_request(self, rig: BatchRig) -> None:
        reports = Path(rig.environment["REPORT_DIR"])
        rig.environment["REPORT_DIR"] = "none"
        rig.run()
        assert not reports.exists()
        assert not Path("none").exists()
