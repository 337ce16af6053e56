"""What a run could pass over in silence: stalled uploads, files that vanish, empty sources, nights that end early."""

import json
import os
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from batch_client.exit_codes import ExitCode
from batch_client.pipeline import photo, processor
from batch_client.sources.local import FoundFile
from results.database import Database
from results.lock import run_lock
from tests.support.batch_rig import BatchRig
from tests.support.stub_service import Answer, prediction


def rejected(code: str) -> Answer:
    return 400, {"error": {"code": code, "message": "The photo ends too early."}}


class TestStalledUploads:
    @pytest.mark.parametrize("code", ["truncated_image", "empty_body"])
    def test_are_left_while_they_are_young_and_never_put_away(self, rig: BatchRig, tmp_path: Path, code: str) -> None:
        rig.add("stalled.jpg", "whole.jpg")
        rig.stub.answer = lambda body, attempt: rejected(code) if b"stalled" in body else prediction()
        exit_code, output = rig.run("run", "--processed", "move")
        assert (exit_code, rig.newest_run()["left"]) == (ExitCode.OK, 1)
        assert "photos that end too early and wait, because their upload may go on: 1" in " ".join(output.split())
        assert (rig.inbox / "stalled.jpg").exists()
        assert not (tmp_path / "quarantine").exists()
        assert rig.rows("SELECT count(*) FROM photos WHERE status = 'failed'") == [(0,)]
        old = time.time() - 601
        os.utime(rig.inbox / "stalled.jpg", (old, old))
        assert rig.run("run", "--processed", "move")[0] == ExitCode.PHOTOS_FAILED
        assert (tmp_path / "quarantine" / "stalled.jpg").exists()

    def test_how_long_is_a_setting(self, rig: BatchRig) -> None:
        rig.add("stalled.jpg")
        rig.stub.answer = lambda body, attempt: rejected("truncated_image")
        rig.environment["SETTLE_S"] = "0"
        assert rig.run()[0] == ExitCode.PHOTOS_FAILED

    def test_what_is_wrong_in_another_way_is_told_at_once(self, rig: BatchRig) -> None:
        rig.add("text.jpg")
        rig.stub.answer = lambda body, attempt: rejected("unsupported_format")
        assert rig.run()[0] == ExitCode.PHOTOS_FAILED


class TestGone:
    def test_a_photo_that_was_removed_is_not_failed(self, rig: BatchRig, monkeypatch: pytest.MonkeyPatch) -> None:
        rig.add("a.jpg", "b.jpg", "c.jpg")
        chunks = FoundFile.chunks

        def removed(file: FoundFile) -> Iterator[bytes]:
            if file.filename == "b.jpg":
                file.path.unlink(missing_ok=True)
            return chunks(file)

        monkeypatch.setattr(FoundFile, "chunks", removed)
        code, output = rig.run()
        assert code == ExitCode.OK
        assert "photos that were gone before they could be read: 1" in output
        assert (rig.newest_run()["found"], rig.newest_run()["classified"]) == (2, 2)
        assert rig.rows("SELECT filename FROM photos ORDER BY 1") == [("a.jpg",), ("c.jpg",)]

    def test_a_source_that_vanished_ends_the_run(self, rig: BatchRig, monkeypatch: pytest.MonkeyPatch) -> None:
        rig.add("a.jpg", "b.jpg")
        described = rig.stub.describes

        def describes() -> Answer:
            if rig.inbox.exists():
                rig.inbox.rename(rig.inbox.with_name("elsewhere"))
            return described()

        rig.stub.describes = describes
        code, output = rig.run()
        assert (code, "the source can no longer be reached" in output) == (ExitCode.USAGE, True), output


class TestDecidedBeforeSending:
    def test_a_file_that_is_too_large_is_known_unread_and_stays(
        self, rig: BatchRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (photo, processor):
            monkeypatch.setattr(module, "LARGEST_PHOTO", 1_000)
        (rig.inbox / "video.mov").write_bytes(b"x" * 1_001)
        read: list[str] = []
        chunks = FoundFile.chunks

        def noted(file: FoundFile) -> Iterator[bytes]:
            read.append(file.filename)
            return chunks(file)

        monkeypatch.setattr(FoundFile, "chunks", noted)
        codes = [rig.run("run", "--processed", "move")[0] for _ in range(2)]
        assert codes == [ExitCode.PHOTOS_FAILED, ExitCode.OK]
        assert rig.rows("SELECT is_new, code FROM run_failures ORDER BY run_id") == [
            (1, "too_many_bytes"),
            (0, "too_many_bytes"),
        ]
        assert (rig.newest_run()["known"], read) == (1, [])
        assert (rig.inbox / "video.mov").exists()
        assert not (tmp_path / "quarantine").exists()
        (rig.inbox / "video.mov").write_bytes(b"a photo")
        assert rig.run()[0] == ExitCode.OK
        assert rig.newest_run()["classified"] == 1

    def test_what_cannot_be_read_is_newly_failed_once(self, rig: BatchRig, monkeypatch: pytest.MonkeyPatch) -> None:
        rig.add("a.jpg", "b.jpg")
        chunks = FoundFile.chunks

        def refused(file: FoundFile) -> Iterator[bytes]:
            if file.filename == "b.jpg":
                raise PermissionError(13, "Permission denied")
            return chunks(file)

        with monkeypatch.context() as patch:
            patch.setattr(FoundFile, "chunks", refused)
            codes = [rig.run()[0] for _ in range(2)]
        assert codes == [ExitCode.PHOTOS_FAILED, ExitCode.OK]
        _, output = rig.run("show", "2")
        assert "b.jpg" in output, "it is still listed"
        assert rig.run()[0] == ExitCode.OK
        assert rig.newest_run()["classified"] == 1


class TestIgnored:
    def test_names_are_counted_in_the_report(self, rig: BatchRig) -> None:
        rig.add("a.jpg", "@eaDir/a.jpg/SYNO_THUMB_M.jpg", "#recycle/b.jpg", "c.pdf", "Proofs/d.jpg")
        rig.environment["IGNORE"] = "*.pdf, proofs"
        code, output = rig.run("run", "--json")
        assert code == ExitCode.OK
        report = json.loads(output)
        assert report["notes"] == [
            {"kind": "ignored", "message": "ignored by name: 1 #recycle, 1 *.pdf, 1 @eaDir, 1 proofs"}
        ]
        assert report["found"] == 1


class Calls:
    """A receiver of webhook and ping."""

    def __init__(self, rig: BatchRig) -> None:
        calls = self.received = list[tuple[str, bytes]]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                calls.append((self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        for name in ("webhook", "ping"):
            rig.environment[f"{name.upper()}_URL"] = f"http://127.0.0.1:{self.server.server_port}/{name}"


@pytest.fixture
def calls(rig: BatchRig) -> Iterator[Calls]:
    calls = Calls(rig)
    yield calls
    calls.server.shutdown()
    calls.server.server_close()


class TestAnEmptyNight:
    def test_where_many_were_found_before_is_a_warning_everywhere(
        self, rig: BatchRig, calls: Calls, tmp_path: Path
    ) -> None:
        rig.add(*(f"{number}.jpg" for number in range(10)))
        rig.run()
        for path in rig.inbox.iterdir():
            path.unlink()
        rig.environment["REPORT_DIR"] = str(tmp_path / "reports")
        calls.received.clear()
        code, output = rig.run()
        assert code == ExitCode.OK
        warning = "no photo was found; the runs before found 10"
        (_, webhook), (url, ping) = calls.received
        assert url == "/ping"
        log = (Path(rig.environment["LOG_DIR"]) / "batch.log").read_text()
        report = (tmp_path / "reports" / "run-2.json").read_text()
        page = (tmp_path / "reports" / "run-2.html").read_text()
        for place in (" ".join(output.split()), webhook.decode(), ping.decode(), log, report, page):
            assert warning in place

    def test_where_few_were_found_is_none(self, rig: BatchRig) -> None:
        rig.add("a.jpg")
        rig.run("run", "--processed", "move")
        assert json.loads(rig.run("run", "--json")[1])["notes"] == []

    def test_is_a_failure_where_photos_are_expected(self, rig: BatchRig, calls: Calls) -> None:
        rig.environment["EXPECT_PHOTOS"] = "yes"
        code, output = rig.run()
        assert code == ExitCode.USAGE
        assert "EXPECT_PHOTOS says that there are some" in " ".join(output.split())
        assert [path for path, _ in calls.received] == ["/webhook", "/ping/fail"]
        assert rig.newest_run()["status"] == "finished"
        rig.add("a.jpg")
        assert rig.run()[0] == ExitCode.OK
        assert rig.run()[0] == ExitCode.OK, "a known photo is a photo"
        (rig.inbox / "a.jpg").unlink()
        assert rig.run("run", "--shard", "1/2")[0] == ExitCode.OK


class TestManifestProblems:
    def test_stand_everywhere_a_person_looks(self, rig: BatchRig, calls: Calls, tmp_path: Path) -> None:
        rig.add("a.jpg", "b.jpg")
        (rig.inbox / "manifest.csv").write_text(
            "filename,return_id,expected_category\na.jpg,R-1,Sock\nnever.jpg,R-2,\nb.jpg,R,3,Socks\n"
        )
        rig.environment["REPORT_DIR"] = str(tmp_path / "reports")
        code, output = rig.run()
        assert code == ExitCode.USAGE
        (_, webhook), (path, ping) = calls.received
        assert path == "/ping/fail"
        shown = rig.run("show", "1")[1]
        log = (Path(rig.environment["LOG_DIR"]) / "batch.log").read_text()
        report = json.loads((tmp_path / "reports" / "run-1.json").read_text())
        page = (tmp_path / "reports" / "run-1.html").read_text().replace("&#39;", "'")
        assert json.loads(webhook)["manifest_problems"] == report["manifest_problems"]
        for place in (output, shown, ping.decode(), log, "\n".join(report["manifest_problems"]), page):
            text = " ".join(place.split())
            assert "expected_category 'Sock' is none of the categories (1 line); the nearest are Socks" in text
            assert "1 line names no photo in the source: 'never.jpg' (line 3)" in text
            assert "manifest.csv line 4: 3 cells expected, 4 found" in text


class TestEarlyEnds:
    def failed(self, calls: Calls, code: int) -> None:
        (hook, webhook), (path, _) = calls.received
        assert (hook, path) == ("/webhook", "/ping/fail")
        assert json.loads(webhook)["exit_code"] == code

    def test_a_source_that_is_none(self, rig: BatchRig, calls: Calls) -> None:
        assert rig.run("run", str(rig.inbox / "nowhere"))[0] == ExitCode.USAGE
        self.failed(calls, ExitCode.USAGE)

    def test_results_that_cannot_be_opened(self, rig: BatchRig, calls: Calls) -> None:
        rig.results.write_bytes(b"no database" * 100)
        assert rig.run()[0] == ExitCode.RESULTS
        self.failed(calls, ExitCode.RESULTS)

    def test_results_that_another_run_has(self, rig: BatchRig, calls: Calls) -> None:
        rig.add("a.jpg")
        database = Database(str(rig.results))
        with run_lock(database):
            assert rig.run()[0] == ExitCode.LOCKED
        database.close()
        self.failed(calls, ExitCode.LOCKED)

    def test_reports_that_cannot_be_written(self, rig: BatchRig, calls: Calls, tmp_path: Path) -> None:
        rig.add("a.jpg")
        (tmp_path / "reports").write_text("a file where the folder should be")
        rig.environment["REPORT_DIR"] = str(tmp_path / "reports")
        assert rig.run()[0] == ExitCode.RESULTS
        self.failed(calls, ExitCode.RESULTS)

    def test_a_log_that_cannot_be_written_stops_no_night(self, rig: BatchRig, calls: Calls, tmp_path: Path) -> None:
        rig.add("a.jpg")
        (tmp_path / "no folder").write_text("a file where the folder should be")
        rig.environment["LOG_DIR"] = str(tmp_path / "no folder")
        assert rig.run()[0] == ExitCode.OK
        assert [path for path, _ in calls.received] == ["/webhook", "/ping"]
