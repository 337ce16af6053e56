"""Decided returns reach the shop's system: signed, at least once, and in bounded time."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from batch_client.reports.returns_webhook import Webhook, deliver, delivering
from results import outbox
from results.database import Database
from results.schema import outbox as outbox_table
from tests.support.batch_rig import BatchRig
from tests.support.shop_receiver import Receiver, shop_receiver
from tests.support.stored_runs import answer, night

SECRET = "shared with the shop"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with shop_receiver() as told:
        yield told


@pytest.fixture
def recording(database: Database) -> Database:
    database.records_events = True
    return database


def make_due(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(update(outbox_table).values(next_attempt_at="2026-01-01T00:00:00.000Z"))


def waiting(database: Database) -> int:
    with database.reading() as connection:
        return outbox.count_waiting(connection)


def test_a_decision_arrives_signed_and_leaves_the_outbox(recording: Database, receiver: Receiver) -> None:
    night(recording, answer("1.jpg", "11", "R-1"))
    assert deliver(recording, Webhook(receiver.url, SECRET)).confirmed == 1
    (told,) = receiver.events(SECRET)
    assert (told["event"], told["return_id"], told["final_decision"]) == ("return.decided", "R-1", "cleared")
    assert waiting(recording) == 0
    assert deliver(recording, Webhook(receiver.url)).confirmed == 0


def test_what_was_not_confirmed_is_sent_again_under_the_same_id(recording: Database, receiver: Receiver) -> None:
    night(recording, answer("1.jpg", "11", "R-1"))
    receiver.status = 503
    assert deliver(recording, Webhook(receiver.url)).failed == 1
    assert deliver(recording, Webhook(receiver.url)).failed == 0, "the next attempt is not due yet"
    with recording.reading() as connection:
        row = connection.execute(select(outbox_table)).mappings().one()
    assert (row["attempts"], row["last_error"]) == (1, "the receiver answered 503")
    make_due(recording)
    receiver.status = 200
    assert deliver(recording, Webhook(receiver.url)).confirmed == 1
    assert len({headers["X-Refund-Event-Id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 2


def test_a_receiver_that_drips_its_answer_costs_the_time_limit_and_no_more(
    recording: Database, receiver: Receiver
) -> None:
    night(recording, answer("1.jpg", "11", "R-1"))
    receiver.drips = True
    started = time.monotonic()
    assert deliver(recording, Webhook(receiver.url), seconds=1).failed == 1
    assert time.monotonic() - started < 20  # dripping takes over 50 s
    assert waiting(recording) == 1


def test_a_receiver_that_is_away_is_not_asked_for_every_event(recording: Database) -> None:
    night(recording, *(answer(f"{number}.jpg", f"{number}{number}", f"R-{number}") for number in range(1, 7)))
    assert deliver(recording, Webhook("http://127.0.0.1:9/")).failed == 3
    assert waiting(recording) == 6


def test_the_client_sends_what_a_run_decided(rig: BatchRig, receiver: Receiver) -> None:
    rig.environment |= {"RETURNS_WEBHOOK_URL": receiver.url, "RETURNS_WEBHOOK_SECRET": SECRET}
    rig.add("1.jpg")
    (rig.inbox / "manifest.csv").write_text("filename,return_id\n1.jpg,R-1\n")
    assert rig.run()[0] == 0
    assert [json.loads(body)["return_id"] for _, body in receiver.got] == ["R-1"]
    assert rig.run("deliver", "--json") == (0, '{"confirmed": 0, "failed": 0, "waiting": 0}\n')


def test_deliver_without_a_receiver_is_refused(rig: BatchRig) -> None:
    code, printed = rig.run("deliver")
    assert (code, "RETURNS_WEBHOOK_URL" in printed) == (2, True)


def test_a_thread_delivers_what_comes_while_a_program_runs(tmp_path: Path, receiver: Receiver) -> None:
    location = str(tmp_path / "results.db")
    database = Database(location, records_events=True)
    with delivering(location, Webhook(receiver.url), pause=0.05):
        night(database, answer("1.jpg", "11", "R-1"))
        deadline = time.monotonic() + 60
        while waiting(database) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert waiting(database) == 0
    database.close()
    assert len(receiver.got) == 1
