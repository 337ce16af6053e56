"""Runs that are interrupted, killed or locked out."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from batch_client.exit_codes import ExitCode
from results.database import Database
from results.lock import run_lock
from results.runs import start_run
from tests.support.batch_rig import BatchRig, wait_for
from tests.support.stub_service import NOT_A_PHOTO, prediction


class TestInterruptedRuns:
    def test_a_killed_run_is_closed_by_the_next(self, rig: BatchRig) -> None:
        database = Database(str(rig.results))
        with database.writing() as connection:
            start_run(connection, str(rig.inbox))
        database.close()
        rig.run()
        assert rig.rows("SELECT status FROM runs ORDER BY id") == [("interrupted",), ("finished",)]

    @pytest.mark.parametrize("as_url", [False, True])
    def test_one_run_at_a_time(self, rig: BatchRig, as_url: bool) -> None:
        """The lock belongs to the database, whatever path or URL names it."""
        database = Database(f"sqlite:///{rig.results}" if as_url else str(rig.results))
        with run_lock(database):
            code, output = rig.run()
        assert code == ExitCode.LOCKED
        assert f"process {os.getpid()}" in output
        assert rig.run()[0] == ExitCode.OK
        database.close()

    def test_a_file_that_is_still_written_is_left(self, rig: BatchRig) -> None:
        """Its answer would be stored under the hash of other bytes."""
        rig.add(*(f"{i:02}.jpg" for i in range(30)), "last.jpg")

        def answer(body: bytes, attempt: int) -> tuple[int, object]:
            if not (rig.inbox / "last.jpg").read_bytes().endswith(b"more"):
                with (rig.inbox / "last.jpg").open("ab") as file:
                    file.write(b"more")
            return prediction()

        rig.stub.answer = answer
        assert rig.run()[0] == ExitCode.OK
        assert rig.newest_run()["left"] == 1
        rig.run()
        assert rig.rows("SELECT count(*) FROM predictions WHERE filename = 'last.jpg'") == [(1,)]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupted_run_keeps_what_was_answered(self, rig: BatchRig, number: signal.Signals) -> None:
        rig.add(*(f"{i:03}.jpg" for i in range(300)))
        rig.stub.seconds = 0.05
        program = subprocess.Popen(
            [sys.executable, "-m", "batch_client", "run"],
            env={**os.environ, **rig.environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_for(program, lambda: len(rig.stub.photos) >= 20)
        program.send_signal(number)
        output, _ = program.communicate(timeout=30)
        assert program.returncode == ExitCode.INTERRUPTED
        assert "interrupted" in output
        run = rig.newest_run()
        assert (run["status"], run["found"]) == ("stopped", 300)
        assert run["classified"] == len(set(rig.stub.photos)) == rig.rows("SELECT count(*) FROM predictions")[0][0]
        rig.stub.seconds = 0
        assert rig.run()[0] == ExitCode.OK
        assert rig.rows("SELECT count(*) FROM predictions_history") == [(300,)]
        assert sorted(rig.stub.photos) == sorted(set(rig.stub.photos))

    def test_a_signal_at_the_very_end_is_no_interruption(self, rig: BatchRig) -> None:
        """Nothing was left because of it, so the run ends with its own code."""
        rig.add("a.jpg", "b.jpg")
        signals = [signal.SIGTERM]  # one alone: both photos may be answered at once, and a second one ends the tests

        def answer(body: bytes, attempt: int) -> tuple[int, object]:
            if len(rig.stub.photos) == 2:
                with contextlib.suppress(IndexError):
                    os.kill(os.getpid(), signals.pop())
                time.sleep(0.1)  # the handler runs in the main thread
            return NOT_A_PHOTO if b"b.jpg" in body else prediction()

        rig.stub.answer = answer
        assert rig.run()[0] == ExitCode.PHOTOS_FAILED
        run = rig.newest_run()
        assert (run["status"], run["classified"], run["failed"], run["left"]) == ("finished", 1, 1, 0)

    def test_a_killed_client_loses_and_doubles_nothing(self, rig: BatchRig) -> None:
        rig.add(*(f"{i:03}.jpg" for i in range(300)))
        gate = threading.Event()

        def answer(body: bytes, attempt: int) -> tuple[int, object]:
            if len(rig.stub.photos) > 150:
                gate.wait()  # so that the run is in its middle when it is killed, however slow the machine
            return prediction()

        rig.stub.answer = answer
        program = subprocess.Popen([sys.executable, "-m", "batch_client", "run"], env={**os.environ, **rig.environment})
        wait_for(program, lambda: len(rig.stub.photos) > 150)
        program.kill()
        program.wait()
        gate.set()
        stored = rig.rows("SELECT count(*) FROM predictions")[0][0]
        assert stored > 0
        assert rig.run()[0] == ExitCode.OK
        assert rig.newest_run()["known"] == stored
        assert rig.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(300, 300)]
        assert rig.rows("SELECT status FROM runs ORDER BY id") == [("interrupted",), ("finished",)]
        assert len(rig.stub.photos) - len(set(rig.stub.photos)) <= 2 * 64 + 16  # a group, and what was in flight
