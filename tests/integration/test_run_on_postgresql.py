"""The program itself against a real PostgreSQL: killed in the middle, taken up again, shards side by side."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from sqlalchemy import FromClause, func, select

from batch_client.exit_codes import ExitCode
from results import runs
from results.database import Database
from results.lookalikes import Repeat
from results.photos import store
from results.schema import photos, predictions_history
from results.verify import verify
from results.views import predictions
from tests.support import stored_runs
from tests.support.batch_rig import BatchRig, wait_for
from tests.support.postgresql import PostgreSQL
from tests.support.stub_service import NOT_A_PHOTO, Answer, prediction

PHOTOS = 300
BAD = 3


@pytest.fixture
def results(rig: BatchRig, postgresql: PostgreSQL) -> Iterator[Database]:
    rig.environment["RESULTS_DB"] = postgresql.new_database()
    database = Database(rig.environment["RESULTS_DB"])
    yield database
    database.close()


def start(rig: BatchRig, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "batch_client", "run", *arguments],
        env={**os.environ, **rig.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def count(results: Database, table: FromClause = predictions_history) -> int:
    with results.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_killed_run_is_taken_up_and_everything_adds_up(rig: BatchRig, results: Database) -> None:
    rig.add(*(f"{i:03}.jpg" for i in range(PHOTOS - BAD)), *(f"z-bad {i}.jpg" for i in range(BAD)))
    gate = threading.Event()

    def answer(body: bytes, attempt: int) -> Answer:
        if len(rig.stub.photos) > 200:
            gate.wait()  # so that the run is in its middle when it is killed, however slow the machine
        return NOT_A_PHOTO if b"bad" in body else prediction()

    rig.stub.answer = answer
    killed = start(rig)
    wait_for(killed, lambda: count(results) >= 100)
    killed.kill()
    killed.communicate()
    gate.set()
    again = start(rig)
    output, _ = again.communicate(timeout=120)
    assert again.returncode == ExitCode.PHOTOS_FAILED, output
    with results.reading() as connection:
        newest, first = runs.list_runs(connection, 5)
        assert (first["status"], newest["status"]) == ("interrupted", "finished")
        parts = [newest[name] for name in ("classified", "known", "failed", "left")]
        assert newest["found"] == sum(parts) == PHOTOS
        stored = first["classified"]
        assert stored >= 100
        assert parts == [PHOTOS - BAD - stored, stored, BAD, 0]
        assert verify(connection) == []
        pairs = select(func.count(), func.count(predictions_history.c.photo_id.distinct()))
        assert connection.execute(pairs.select_from(predictions_history)).one() == (PHOTOS - BAD, PHOTOS - BAD)
        failed = select(func.count()).where(photos.c.status == "failed")
        assert connection.execute(failed).scalar_one() == BAD
    assert count(results, predictions) == PHOTOS - BAD


def test_shards_of_another_count_are_refused_while_one_runs(rig: BatchRig, results: Database) -> None:
    rig.add(*(f"{i:03}.jpg" for i in range(60)))
    gate = threading.Event()

    def answer(body: bytes, attempt: int) -> Answer:
        gate.wait()
        return prediction()

    rig.stub.answer = answer
    running = start(rig, "--shard", "0/2")
    wait_for(running, lambda: bool(rig.stub.photos))
    refused = start(rig, "--shard", "0/3")
    output, _ = refused.communicate(timeout=120)
    assert refused.returncode == ExitCode.LOCKED, output
    assert f"run 0/2, process {running.pid} on " in output
    gate.set()
    output, _ = running.communicate(timeout=120)
    assert running.returncode == ExitCode.OK, output


def test_copies_that_two_runs_store_at_once_are_seen(results: Database) -> None:
    with results.writing() as connection:
        run = runs.start_run(connection, "/inbox")
    with results.writing() as first, ThreadPoolExecutor(1) as pool:
        store(first, run, stored_runs.answer("1.jpg", "aa"))

        def store_copy() -> list[Repeat | None]:
            with results.writing() as second:
                return store(second, run, stored_runs.answer("1 copy.jpg", "aa"))

        copy = pool.submit(store_copy)
        assert not wait([copy], timeout=0.5).done, "it waits for the first to end"
        first.commit()
        (repeat,) = copy.result()
    assert repeat is not None
    assert repeat.kind == "exact"
