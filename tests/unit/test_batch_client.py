"""The batch client against a service that does what a test tells it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from typer.testing import CliRunner

from batch_client.cli import app
from batch_client.exit_codes import ExitCode
from batch_client.settings import BatchSettings
from results.database import Database
from results.lock import run_lock
from results.runs import start_run
from tests.unit.desk import Desk, wait_for
from tests.unit.stub_service import DRAINING, ENGINE_FULL, NOT_A_PHOTO, WORKER_DIED, prediction


class TestRun:
    def test_classifies_then_knows(self, desk: Desk) -> None:
        desk.add("a.jpg", "b.jpg", "sub/c.jpg")
        code, output = desk.run()
        assert code == ExitCode.OK
        assert "found 3 = classified 3 + known 0 + failed 0 + left 0" in output
        assert desk.rows(
            "SELECT filename, predicted_class, confidence, decision, source FROM predictions ORDER BY 1"
        ) == [(name, "Socks", 0.9, "accept", str(desk.inbox)) for name in ("a.jpg", "b.jpg", "sub/c.jpg")]
        code, output = desk.run()
        assert (code, len(desk.stub.photos)) == (ExitCode.OK, 3)
        assert "known 3" in output
        assert desk.rows("SELECT count(*) FROM predictions_history") == [(3,)]

    def test_a_new_model_answers_again_and_history_stays(self, desk: Desk) -> None:
        desk.add("a.jpg")
        desk.run()
        desk.stub.model_version = "2.0.0"
        desk.stub.answer = lambda body, attempt: prediction("Belts", "2.0.0")
        desk.run()
        assert desk.rows("SELECT predicted_class, model_version FROM predictions") == [("Belts", "2.0.0")]
        assert desk.rows("SELECT predicted_class FROM predictions_history ORDER BY id") == [("Socks",), ("Belts",)]

    def test_the_same_content_elsewhere_is_a_row_of_its_own(self, desk: Desk) -> None:
        desk.add("first.jpg")
        (desk.inbox / "second.jpg").write_bytes((desk.inbox / "first.jpg").read_bytes())
        desk.run()
        first = desk.rows("SELECT photo_id FROM predictions WHERE filename = 'first.jpg'")[0][0]
        assert desk.rows("SELECT filename, repeat_of FROM predictions ORDER BY filename") == [
            ("first.jpg", None),
            ("second.jpg", first),
        ]

    def test_a_bad_photo_fails_once_and_is_listed_again(self, desk: Desk) -> None:
        desk.add("good.jpg", "bad.jpg")
        desk.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        code, output = desk.run()
        assert code == ExitCode.PHOTOS_FAILED
        assert "bad.jpg" in output and "unsupported_format" in output
        assert desk.rows("SELECT filename, status, error_code FROM photos ORDER BY 1") == [
            ("bad.jpg", "failed", "unsupported_format"),
            ("good.jpg", "classified", None),
        ]
        code, output = desk.run()
        assert (code, len(desk.stub.photos)) == (ExitCode.OK, 2)
        assert "known 2" in output and "unsupported_format" in output
        for run, is_new in ((1, True), (2, False)):
            failures = json.loads(desk.run("show", str(run), "--json")[1])["failures"]
            assert [(failure["filename"], failure["is_new"]) for failure in failures] == [("bad.jpg", is_new)]

    def test_a_full_engine_is_asked_again(self, desk: Desk) -> None:
        desk.add(*(f"{i}.jpg" for i in range(20)))
        desk.stub.answer = lambda body, attempt: ENGINE_FULL if attempt < 3 else prediction()
        assert desk.run()[0] == ExitCode.OK
        assert desk.newest_run()["classified"] == 20
        assert desk.rows("SELECT count(*) FROM predictions_history") == [(20,)]

    def test_a_draining_service_makes_no_photo_a_suspect(self, desk: Desk) -> None:
        """A suspect is sent alone, after asking anew which model answers."""
        desk.add("a.jpg", "b.jpg")
        asked: list[None] = []
        described = desk.stub.describes()
        desk.stub.describes = lambda: asked.append(None) or described  # type: ignore[func-returns-value]
        desk.stub.answer = lambda body, attempt: DRAINING if attempt < 8 else prediction()
        assert desk.run()[0] == ExitCode.OK
        assert len(asked) == 1

    def test_a_dropped_connection_is_asked_again(self, desk: Desk) -> None:
        desk.add("a.jpg", "b.jpg")
        desk.stub.answer = lambda body, attempt: None if attempt == 1 else prediction()
        assert desk.run()[0] == ExitCode.OK

    def test_a_photo_that_only_gets_faults_does_not_hold_up_the_others(self, desk: Desk) -> None:
        desk.add("a.jpg", "b.jpg", "c.jpg")
        desk.stub.answer = lambda body, attempt: (500, b"") if b"b.jpg" in body else prediction()
        assert desk.run()[0] == ExitCode.PHOTOS_FAILED
        assert desk.rows("SELECT filename, error_code, photo_fault FROM photos WHERE status = 'failed'") == [
            ("b.jpg", "no_answer", 0)
        ]
        desk.stub.answer = lambda body, attempt: prediction()
        assert desk.run()[0] == ExitCode.OK  # not its own fault, so it is sent again
        assert desk.newest_run()["classified"] == 1

    def test_a_restart_of_the_service_in_the_middle_is_survived(self, desk: Desk) -> None:
        """For a while nobody answers, then no token fits, then there is a new one; many requests are in flight."""
        desk.add(*(f"{i:03}.jpg" for i in range(120)))

        def restart_at_fifty(body: bytes, attempt: int) -> tuple[int, object] | None:
            if b"050" in body and attempt == 1:
                desk.token_file.unlink()  # as the service does when it stops
                desk.stub.token = "new"
                threading.Timer(0.3, lambda: desk.token_file.write_text("new\n")).start()
                return None
            return prediction()

        desk.stub.answer = restart_at_fifty
        assert desk.run()[0] == ExitCode.OK
        assert desk.rows("SELECT count(*) FROM predictions_history") == [(120,)]

    def test_a_service_that_is_still_starting_is_waited_for(self, desk: Desk) -> None:
        desk.add("a.jpg")
        desk.token_file.unlink()
        threading.Timer(0.3, lambda: desk.token_file.write_text("right\n")).start()
        assert desk.run()[0] == ExitCode.OK

    def test_a_wrong_token_stops_the_run(self, desk: Desk) -> None:
        desk.add("a.jpg", "b.jpg")
        desk.token_file.write_text("wrong\n")
        code, output = desk.run()
        assert code == ExitCode.SERVICE_AWAY
        assert "TORCHSERVE_TOKEN_FILE" in output
        assert desk.newest_run() == {
            "status": "stopped", "exit_code": 3, "found": 2, "classified": 0, "known": 0, "failed": 0, "left": 2,
        }  # fmt: skip

    def test_a_token_file_that_holds_more_than_a_token_is_named_not_shown(self, desk: Desk) -> None:
        desk.add("a.jpg")
        desk.token_file.write_text('{\n  "management": {"key": "secret"}\n}')
        code, output = desk.run()
        assert code == ExitCode.USAGE
        assert "TORCHSERVE_TOKEN_FILE" in output
        assert "secret" not in output

    def test_no_service_leaves_everything(self, desk: Desk) -> None:
        desk.add("a.jpg")
        desk.environment["TORCHSERVE_URL"] = "http://127.0.0.1:9"
        desk.environment["SERVICE_PATIENCE_S"] = "1"
        code, output = desk.run()
        assert code == ExitCode.SERVICE_AWAY
        assert "make serve" in output
        assert desk.newest_run()["left"] == 1

    def test_a_service_that_goes_away_midway_keeps_what_was_answered(self, desk: Desk) -> None:
        desk.add(*(f"{i:03}.jpg" for i in range(150)))
        gone = False
        desk.environment["SERVICE_PATIENCE_S"] = "1"

        def answer(body: bytes, attempt: int) -> tuple[int, object] | None:
            nonlocal gone
            gone = gone or b"100" in body
            return None if gone else prediction()

        desk.stub.answer = answer
        desk.stub.describes = lambda: (
            ENGINE_FULL if gone else (200, {"model_version": "1.0.0", "contract_version": "1", "classes": []})
        )
        assert desk.run()[0] == ExitCode.SERVICE_AWAY
        run = desk.newest_run()
        assert run["found"] == 150
        assert run["classified"] == desk.rows("SELECT count(*) FROM predictions")[0][0]
        assert run["left"] == 150 - int(str(run["classified"]))
        gone = False
        desk.stub.answer = lambda body, attempt: prediction()
        assert desk.run()[0] == ExitCode.OK
        assert desk.rows("SELECT count(*) FROM predictions") == [(150,)]
        assert desk.rows("SELECT count(*) FROM predictions_history") == [(150,)]

    def test_too_large_a_file_is_not_even_sent(self, desk: Desk) -> None:
        with (desk.inbox / "film.mov").open("wb") as file:
            file.truncate(50_000_001)
        assert desk.run()[0] == ExitCode.PHOTOS_FAILED
        assert desk.rows("SELECT error_code FROM photos") == [("too_many_bytes",)]
        assert desk.stub.photos == []

    def test_a_file_that_vanishes_while_the_run_goes_on_is_reported(self, desk: Desk) -> None:
        desk.add(*(f"{i:02}.jpg" for i in range(30)), "last.jpg")

        def answer(body: bytes, attempt: int) -> tuple[int, object]:
            (desk.inbox / "last.jpg").unlink(missing_ok=True)
            return prediction()

        desk.stub.answer = answer
        assert desk.run()[0] == ExitCode.PHOTOS_FAILED
        assert desk.rows("SELECT filename, error_code FROM photos WHERE status = 'failed'") == [
            ("last.jpg", "unreadable_file")
        ]

    def test_a_killed_run_is_closed_by_the_next(self, desk: Desk) -> None:
        database = Database(str(desk.results))
        with database.writing() as connection:
            start_run(connection, str(desk.inbox))
        database.close()
        desk.run()
        assert desk.rows("SELECT status FROM runs ORDER BY id") == [("interrupted",), ("finished",)]

    @pytest.mark.parametrize("as_url", [False, True])
    def test_one_run_at_a_time(self, desk: Desk, as_url: bool) -> None:
        """The lock belongs to the database, whatever path or URL names it."""
        database = Database(f"sqlite:///{desk.results}" if as_url else str(desk.results))
        with run_lock(database):
            code, output = desk.run()
        assert code == ExitCode.LOCKED
        assert f"process {os.getpid()}" in output
        assert desk.run()[0] == ExitCode.OK
        database.close()

    def test_a_photo_that_kills_the_worker_is_found_out_and_the_others_are_classified(self, desk: Desk) -> None:
        """A dying worker takes its whole batch along; only the photo that does it alone, twice, is blamed."""
        desk.add(*(f"{i:03}.jpg" for i in range(100)), "killer.jpg")
        until = 0.0

        def answer(body: bytes, attempt: int) -> tuple[int, object]:
            nonlocal until
            if b"killer" in body:
                until = time.monotonic() + 0.05
            return WORKER_DIED if time.monotonic() < until else prediction()

        described = desk.stub.describes
        desk.stub.describes = lambda: WORKER_DIED if time.monotonic() < until else described()
        desk.stub.answer = answer
        desk.stub.seconds = 0.01
        assert desk.run()[0] == ExitCode.PHOTOS_FAILED
        assert desk.rows("SELECT filename, error_code FROM photos WHERE status = 'failed'") == [
            ("killer.jpg", "kills_worker")
        ]
        assert desk.rows("SELECT count(*) FROM predictions") == [(100,)]

    def test_a_full_service_is_given_room(self, desk: Desk) -> None:
        """With room for three at once, requests go down to about that and every photo is classified."""
        desk.add(*(f"{i:03}.jpg" for i in range(100)))
        desk.stub.room = 3
        desk.stub.seconds = 0.005
        assert desk.run()[0] == ExitCode.OK
        assert desk.newest_run()["classified"] == 100

    def test_an_absent_service_ends_the_run_soon(self, desk: Desk) -> None:
        """Not after a time-out for each photo of the folder."""
        desk.environment["SERVICE_PATIENCE_S"] = "1"
        desk.add(*(f"{i:03}.jpg" for i in range(200)))
        desk.stub.answer = lambda body, attempt: None
        started = time.monotonic()
        assert desk.run()[0] == ExitCode.SERVICE_AWAY
        assert time.monotonic() - started < 20
        assert desk.newest_run()["left"] == 200

    def test_a_file_that_is_still_written_is_left(self, desk: Desk) -> None:
        """Its answer would be stored under the hash of other bytes."""
        desk.add(*(f"{i:02}.jpg" for i in range(30)), "last.jpg")

        def answer(body: bytes, attempt: int) -> tuple[int, object]:
            if not (desk.inbox / "last.jpg").read_bytes().endswith(b"more"):
                with (desk.inbox / "last.jpg").open("ab") as file:
                    file.write(b"more")
            return prediction()

        desk.stub.answer = answer
        assert desk.run()[0] == ExitCode.OK
        assert desk.newest_run()["left"] == 1
        desk.run()
        assert desk.rows("SELECT count(*) FROM predictions WHERE filename = 'last.jpg'") == [(1,)]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupted_run_keeps_what_was_answered(self, desk: Desk, number: signal.Signals) -> None:
        desk.add(*(f"{i:03}.jpg" for i in range(300)))
        desk.stub.seconds = 0.05
        program = subprocess.Popen(
            [sys.executable, "-m", "batch_client", "run"],
            env={**os.environ, **desk.environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_for(program, lambda: len(desk.stub.photos) >= 20)
        program.send_signal(number)
        output, _ = program.communicate(timeout=30)
        assert program.returncode == ExitCode.INTERRUPTED
        assert "interrupted" in output
        run = desk.newest_run()
        assert (run["status"], run["found"]) == ("stopped", 300)
        assert run["classified"] == len(set(desk.stub.photos)) == desk.rows("SELECT count(*) FROM predictions")[0][0]
        desk.stub.seconds = 0
        assert desk.run()[0] == ExitCode.OK
        assert desk.rows("SELECT count(*) FROM predictions_history") == [(300,)]
        assert sorted(desk.stub.photos) == sorted(set(desk.stub.photos))

    def test_a_signal_at_the_very_end_is_no_interruption(self, desk: Desk) -> None:
        """Nothing was left because of it, so the run ends with its own code."""
        desk.add("a.jpg", "b.jpg")
        signals = [signal.SIGTERM]  # one alone: both photos may be answered at once, and a second one ends the tests

        def answer(body: bytes, attempt: int) -> tuple[int, object]:
            if len(desk.stub.photos) == 2:
                with contextlib.suppress(IndexError):
                    os.kill(os.getpid(), signals.pop())
                time.sleep(0.1)  # the handler runs in the main thread
            return NOT_A_PHOTO if b"b.jpg" in body else prediction()

        desk.stub.answer = answer
        assert desk.run()[0] == ExitCode.PHOTOS_FAILED
        run = desk.newest_run()
        assert (run["status"], run["classified"], run["failed"], run["left"]) == ("finished", 1, 1, 0)

    def test_a_killed_client_loses_and_doubles_nothing(self, desk: Desk) -> None:
        desk.add(*(f"{i:03}.jpg" for i in range(300)))
        gate = threading.Event()

        def answer(body: bytes, attempt: int) -> tuple[int, object]:
            if len(desk.stub.photos) > 150:
                gate.wait()  # so that the run is in its middle when it is killed, however slow the machine
            return prediction()

        desk.stub.answer = answer
        program = subprocess.Popen(
            [sys.executable, "-m", "batch_client", "run"], env={**os.environ, **desk.environment}
        )
        wait_for(program, lambda: len(desk.stub.photos) > 150)
        program.kill()
        program.wait()
        gate.set()
        stored = desk.rows("SELECT count(*) FROM predictions")[0][0]
        assert stored > 0
        assert desk.run()[0] == ExitCode.OK
        assert desk.newest_run()["known"] == stored
        assert desk.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(300, 300)]
        assert desk.rows("SELECT status FROM runs ORDER BY id") == [("interrupted",), ("finished",)]
        assert len(desk.stub.photos) - len(set(desk.stub.photos)) <= 2 * 64 + 16  # a group, and what was in flight

    def test_missing_folder(self, desk: Desk) -> None:
        code, output = desk.run("run", "/nowhere/at/all")
        assert code == ExitCode.USAGE
        assert "/nowhere/at/all is no folder" in output

    @pytest.mark.parametrize(
        ("variable", "value"), [("TORCHSERVE_URL", "localhost:8080"), ("SERVICE_PATIENCE_S", "soon")]
    )
    def test_wrong_settings_are_named(self, desk: Desk, variable: str, value: str) -> None:
        desk.environment[variable] = value
        code, output = desk.run()
        assert code == ExitCode.USAGE
        assert variable in output

    def test_an_empty_setting_is_an_unset_one(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("INBOX", "")
            assert str(BatchSettings().inbox) == "samples"

    def test_results_that_cannot_be_opened(self, desk: Desk) -> None:
        desk.environment["RESULTS_DB"] = "/proc/no/results.db"
        code, output = desk.run()
        assert code == ExitCode.RESULTS
        assert "/proc/no/results.db" in output
        desk.environment["RESULTS_DB"] = "mysql://somebody:secret@127.0.0.1/results"
        code, output = desk.run()
        assert code == ExitCode.RESULTS
        assert "secret" not in output


class TestReports:
    def test_json(self, desk: Desk) -> None:
        desk.add("good.jpg", "bad.jpg")
        desk.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        result = CliRunner().invoke(app, ["run", "--json"], env=desk.environment)
        report = json.loads(result.stdout)
        assert report["found"] == report["classified"] + report["known"] + report["failed"] + report["left"] == 2
        assert report["failures"] == [
            {
                "filename": "bad.jpg",
                "code": "unsupported_format",
                "message": "These bytes are no photo.",
                "is_new": True,
            }
        ]
        assert report.pop("manifest_problems") == []
        assert json.loads(desk.run("show", "1", "--json")[1]) == report
        assert [row["id"] for row in json.loads(desk.run("runs", "--json")[1])] == [1]

    def test_text(self, desk: Desk) -> None:
        desk.add("[red]odd[/red].jpg")
        desk.stub.answer = lambda body, attempt: NOT_A_PHOTO
        assert "[red]odd[/red].jpg" in desk.run()[1]
        assert "finished" in desk.run("runs")[1]
        assert "[red]odd[/red].jpg" in desk.run("show", "1")[1]
        code, output = desk.run("show", "99")
        assert (code, "there is no run 99" in output) == (ExitCode.USAGE, True)
