"""The batch client against a service that does what a test tells it."""

import json
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from batch_client.cli import app
from batch_client.exit_codes import ExitCode
from batch_client.settings import BatchSettings
from tests.support.batch_rig import BatchRig
from tests.support.stub_service import DRAINING, ENGINE_FULL, NOT_A_PHOTO, WORKER_DIED, prediction


class TestRun:
    def test_classifies_then_knows(self, rig: BatchRig) -> None:
        rig.add("a.jpg", "b.jpg", "sub/c.jpg")
        code, output = rig.run()
        assert code == ExitCode.OK
        assert "found 3 = classified 3 + known 0 + failed 0 + left 0" in output
        assert rig.rows(
            "SELECT filename, predicted_class, confidence, decision, source FROM predictions ORDER BY 1"
        ) == [(name, "Socks", 0.9, "accept", str(rig.inbox)) for name in ("a.jpg", "b.jpg", "sub/c.jpg")]
        code, output = rig.run()
        assert (code, len(rig.stub.photos)) == (ExitCode.OK, 3)
        assert "known 3" in output
        assert rig.rows("SELECT count(*) FROM predictions_history") == [(3,)]

    def test_a_new_model_answers_again_and_history_stays(self, rig: BatchRig) -> None:
        rig.add("a.jpg")
        rig.run()
        rig.stub.model_version = "2.0.0"
        rig.stub.answer = lambda body, attempt: prediction("Belts", "2.0.0")
        rig.run()
        assert rig.rows("SELECT predicted_class, model_version FROM predictions") == [("Belts", "2.0.0")]
        assert rig.rows("SELECT predicted_class FROM predictions_history ORDER BY id") == [("Socks",), ("Belts",)]

    def test_the_same_content_elsewhere_is_a_row_of_its_own(self, rig: BatchRig) -> None:
        rig.add("first.jpg")
        (rig.inbox / "second.jpg").write_bytes((rig.inbox / "first.jpg").read_bytes())
        rig.run()
        first = rig.rows("SELECT photo_id FROM predictions WHERE filename = 'first.jpg'")[0][0]
        assert rig.rows("SELECT filename, repeat_of FROM predictions ORDER BY filename") == [
            ("first.jpg", None),
            ("second.jpg", first),
        ]

    def test_a_bad_photo_fails_once_and_is_listed_again(self, rig: BatchRig) -> None:
        rig.add("good.jpg", "bad.jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        code, output = rig.run()
        assert code == ExitCode.PHOTOS_FAILED
        assert "bad.jpg" in output
        assert "unsupported_format" in output
        assert rig.rows("SELECT filename, status, error_code FROM photos ORDER BY 1") == [
            ("bad.jpg", "failed", "unsupported_format"),
            ("good.jpg", "classified", None),
        ]
        code, output = rig.run()
        assert (code, len(rig.stub.photos)) == (ExitCode.OK, 2)
        assert "known 2" in output
        assert "unsupported_format" in output
        for run, is_new in ((1, True), (2, False)):
            failures = json.loads(rig.run("show", str(run), "--json")[1])["failures"]
            assert [(failure["filename"], failure["is_new"]) for failure in failures] == [("bad.jpg", is_new)]

    def test_a_full_engine_is_asked_again(self, rig: BatchRig) -> None:
        rig.add(*(f"{i}.jpg" for i in range(20)))
        rig.stub.answer = lambda body, attempt: ENGINE_FULL if attempt < 3 else prediction()
        assert rig.run()[0] == ExitCode.OK
        assert rig.newest_run()["classified"] == 20
        assert rig.rows("SELECT count(*) FROM predictions_history") == [(20,)]

    def test_a_draining_service_makes_no_photo_a_suspect(self, rig: BatchRig) -> None:
        """A suspect is sent alone, after asking anew which model answers."""
        rig.add("a.jpg", "b.jpg")
        asked: list[None] = []
        described = rig.stub.describes()

        def describe() -> Any:
            asked.append(None)
            return described

        rig.stub.describes = describe
        rig.stub.answer = lambda body, attempt: DRAINING if attempt < 8 else prediction()
        assert rig.run()[0] == ExitCode.OK
        assert len(asked) == 1

    def test_a_dropped_connection_is_asked_again(self, rig: BatchRig) -> None:
        rig.add("a.jpg", "b.jpg")
        rig.stub.answer = lambda body, attempt: None if attempt == 1 else prediction()
        assert rig.run()[0] == ExitCode.OK

    def test_a_photo_that_only_gets_faults_does_not_hold_up_the_others(self, rig: BatchRig) -> None:
        rig.add("a.jpg", "b.jpg", "c.jpg")
        rig.stub.answer = lambda body, attempt: (500, b"") if b"b.jpg" in body else prediction()
        assert rig.run()[0] == ExitCode.PHOTOS_FAILED
        assert rig.rows("SELECT filename, error_code, photo_fault FROM photos WHERE status = 'failed'") == [
            ("b.jpg", "no_answer", 0)
        ]
        rig.stub.answer = lambda body, attempt: prediction()
        assert rig.run()[0] == ExitCode.OK  # not its own fault, so it is sent again
        assert rig.newest_run()["classified"] == 1

    def test_a_restart_of_the_service_in_the_middle_is_survived(self, rig: BatchRig) -> None:
        """For a while nobody answers, then no token fits, then there is a new one; many requests are in flight."""
        rig.add(*(f"{i:03}.jpg" for i in range(120)))

        def restart_at_fifty(body: bytes, attempt: int) -> tuple[int, object] | None:
            if b"050" in body and attempt == 1:
                rig.token_file.unlink()  # as the service does when it stops
                rig.stub.token = "new"
                threading.Timer(0.3, lambda: rig.token_file.write_text("new\n")).start()
                return None
            return prediction()

        rig.stub.answer = restart_at_fifty
        assert rig.run()[0] == ExitCode.OK
        assert rig.rows("SELECT count(*) FROM predictions_history") == [(120,)]

    def test_a_service_that_is_still_starting_is_waited_for(self, rig: BatchRig) -> None:
        rig.add("a.jpg")
        rig.token_file.unlink()
        threading.Timer(0.3, lambda: rig.token_file.write_text("right\n")).start()
        assert rig.run()[0] == ExitCode.OK

    def test_a_wrong_token_stops_the_run(self, rig: BatchRig) -> None:
        rig.add("a.jpg", "b.jpg")
        rig.token_file.write_text("wrong\n")
        code, output = rig.run()
        assert code == ExitCode.SERVICE_AWAY
        assert "TORCHSERVE_TOKEN_FILE" in output
        assert rig.newest_run() == {
            "status": "stopped", "exit_code": 3, "found": 2, "classified": 0, "known": 0, "failed": 0, "left": 2,
        }  # fmt: skip

    def test_a_token_file_that_holds_more_than_a_token_is_named_not_shown(self, rig: BatchRig) -> None:
        rig.add("a.jpg")
        rig.token_file.write_text('{\n  "management": {"key": "secret"}\n}')
        code, output = rig.run()
        assert code == ExitCode.USAGE
        assert "TORCHSERVE_TOKEN_FILE" in output
        assert "secret" not in output

    def test_no_service_leaves_everything(self, rig: BatchRig) -> None:
        rig.add("a.jpg")
        rig.environment["TORCHSERVE_URL"] = "http://127.0.0.1:9"
        rig.environment["SERVICE_PATIENCE_S"] = "1"
        code, output = rig.run()
        assert code == ExitCode.SERVICE_AWAY
        assert "make serve" in output
        assert rig.newest_run()["left"] == 1

    def test_a_service_that_goes_away_midway_keeps_what_was_answered(self, rig: BatchRig) -> None:
        rig.add(*(f"{i:03}.jpg" for i in range(150)))
        gone = False
        rig.environment["SERVICE_PATIENCE_S"] = "1"

        def answer(body: bytes, attempt: int) -> tuple[int, object] | None:
            nonlocal gone
            gone = gone or b"100" in body
            return None if gone else prediction()

        rig.stub.answer = answer
        rig.stub.describes = lambda: (
            ENGINE_FULL if gone else (200, {"model_version": "1.0.0", "contract_version": "1", "classes": []})
        )
        assert rig.run()[0] == ExitCode.SERVICE_AWAY
        run = rig.newest_run()
        assert run["found"] == 150
        assert run["classified"] == rig.rows("SELECT count(*) FROM predictions")[0][0]
        assert run["left"] == 150 - int(str(run["classified"]))
        gone = False
        rig.stub.answer = lambda body, attempt: prediction()
        assert rig.run()[0] == ExitCode.OK
        assert rig.rows("SELECT count(*) FROM predictions") == [(150,)]
        assert rig.rows("SELECT count(*) FROM predictions_history") == [(150,)]

    def test_too_large_a_file_is_not_even_sent(self, rig: BatchRig) -> None:
        with (rig.inbox / "film.mov").open("wb") as file:
            file.truncate(50_000_001)
        assert rig.run()[0] == ExitCode.PHOTOS_FAILED
        assert rig.rows("SELECT error_code FROM photos") == [("too_many_bytes",)]
        assert rig.stub.photos == []

    def test_a_file_that_vanishes_before_it_is_read_is_told_and_not_failed(self, rig: BatchRig) -> None:
        rig.tuning = replace(rig.tuning, group=4)
        rig.add(*(f"{i:02}.jpg" for i in range(30)), "last.jpg")

        def answer(body: bytes, attempt: int) -> tuple[int, object]:
            (rig.inbox / "last.jpg").unlink(missing_ok=True)
            return prediction()

        rig.stub.answer = answer
        code, output = rig.run()
        assert (code, "photos that were gone before they could be read: 1" in output) == (ExitCode.OK, True)
        assert rig.rows("SELECT count(*) FROM photos WHERE status = 'failed'") == [(0,)]
        assert rig.newest_run()["found"] == 30

    def test_a_photo_that_kills_the_worker_is_found_out_and_the_others_are_classified(self, rig: BatchRig) -> None:
        """A dying worker takes its whole batch along; only the photo that does it alone, twice, is blamed."""
        rig.add(*(f"{i:03}.jpg" for i in range(100)), "killer.jpg")
        until = 0.0

        def answer(body: bytes, attempt: int) -> tuple[int, object]:
            nonlocal until
            if b"killer" in body:
                until = time.monotonic() + 0.05
            return WORKER_DIED if time.monotonic() < until else prediction()

        described = rig.stub.describes
        rig.stub.describes = lambda: WORKER_DIED if time.monotonic() < until else described()
        rig.stub.answer = answer
        rig.stub.seconds = 0.01
        assert rig.run()[0] == ExitCode.PHOTOS_FAILED
        assert rig.rows("SELECT filename, error_code FROM photos WHERE status = 'failed'") == [
            ("killer.jpg", "kills_worker")
        ]
        assert rig.rows("SELECT count(*) FROM predictions") == [(100,)]

    def test_a_full_service_is_given_room(self, rig: BatchRig) -> None:
        """With room for three at once, requests go down to about that: few are refused, and every photo is classified.

        Sixteen requests at once all the time would be refused about five times for each photo.
        """
        rig.add(*(f"{i:03}.jpg" for i in range(200)))
        rig.stub.room = 3
        rig.stub.seconds = 0.005
        assert rig.run()[0] == ExitCode.OK
        assert rig.newest_run()["classified"] == 200
        assert 0 < rig.stub.refused < 200

    def test_an_absent_service_ends_the_run_soon(self, rig: BatchRig) -> None:
        """Not after a time-out for each photo of the folder."""
        rig.environment["SERVICE_PATIENCE_S"] = "1"
        rig.add(*(f"{i:03}.jpg" for i in range(200)))
        rig.stub.answer = lambda body, attempt: None
        started = time.monotonic()
        assert rig.run()[0] == ExitCode.SERVICE_AWAY
        assert time.monotonic() - started < 20
        assert rig.newest_run()["left"] == 200

    def test_missing_folder(self, rig: BatchRig) -> None:
        code, output = rig.run("run", "/nowhere/at/all")
        assert code == ExitCode.USAGE
        assert "/nowhere/at/all is no folder" in output

    @pytest.mark.parametrize(
        ("variable", "value"), [("TORCHSERVE_URL", "localhost:8080"), ("SERVICE_PATIENCE_S", "soon")]
    )
    def test_wrong_settings_are_named(self, rig: BatchRig, variable: str, value: str) -> None:
        rig.environment[variable] = value
        code, output = rig.run()
        assert code == ExitCode.USAGE
        assert variable in output

    def test_an_empty_setting_is_an_unset_one(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("INBOX", "")
            assert str(BatchSettings().inbox) == "samples"

    def test_results_that_cannot_be_opened(self, rig: BatchRig) -> None:
        rig.environment["RESULTS_DB"] = "/proc/no/results.db"
        code, output = rig.run()
        assert code == ExitCode.RESULTS
        assert "/proc/no/results.db" in output
        rig.environment["RESULTS_DB"] = "mysql://somebody:secret@127.0.0.1/results"
        code, output = rig.run()
        assert code == ExitCode.RESULTS
        assert "secret" not in output


class TestReports:
    def test_json(self, rig: BatchRig) -> None:
        rig.add("good.jpg", "bad.jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        result = CliRunner().invoke(app, ["run", "--json"], env=rig.environment)
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
        assert report["manifest_problems"] == []
        assert json.loads(rig.run("show", "1", "--json")[1]) == report
        assert [row["id"] for row in json.loads(rig.run("runs", "--json")[1])] == [1]

    def test_text(self, rig: BatchRig) -> None:
        rig.add("[red]odd[/red].jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO
        assert "[red]odd[/red].jpg" in rig.run()[1]
        assert "finished" in rig.run("runs")[1]
        assert "[red]odd[/red].jpg" in rig.run("show", "1")[1]
        code, output = rig.run("show", "99")
        assert (code, "there is no run 99" in output) == (ExitCode.USAGE, True)
