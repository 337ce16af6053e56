"""What a run does besides classifying: manifest, shards, files put away, limits, notices, logs."""

import errno
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_client.errors import UsageError
from batch_client.exit_codes import ExitCode
from batch_client.intake import Folder, FoundFile, settle
from batch_client.manifest import read_manifest
from batch_client.shard import Shard
from tests.drawn_photos import encoded, striped
from tests.unit.desk import Desk
from tests.unit.stub_service import (
    ENGINE_FULL,
    NOT_A_PHOTO,
    WORKER_DIED,
    Answer,
    prediction,
)

CLASSES = ("Socks", "Belts")


class TestManifest:
    def test_entries(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.csv").write_text(
            "filename,return_id,expected_category\na.jpg,R-1,Socks\nsub/b.jpg,R-2,\n.\\c.jpg,,Belts\n",
            encoding="utf-8-sig",
        )
        manifest = read_manifest(Folder(tmp_path), CLASSES)
        assert manifest.problems == ()
        assert manifest.entry("a.jpg").return_id == "R-1"
        assert manifest.entry("sub/b.jpg").expected_category is None
        assert manifest.entry("c.jpg").expected_category == "Belts"
        assert manifest.entry("elsewhere.jpg").return_id == ""

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("b.jpg,R-2,Hats", "line 3: expected_category 'Hats' is none of the categories"),
            ("b.jpg,R-2", "line 3: 3 cells expected, 2 found"),
            (",R-2,Socks", "line 3: the file name is empty"),
            ("a.jpg,R-2,Socks", "line 3: 'a.jpg' stands there twice"),
            ('"b.jpg,R-2,Socks\n"y.jpg",R-3,', "line 3: it is no CSV"),
            ('"b.jpg,R-2,' + "Socks" * 50_000, "line 3: it is no CSV"),
            ("stra\udcdfe.jpg,R-2,Socks", "line 3: it holds a zero or bytes that are no UTF-8"),
            ("b.jpg,R\0-2,Socks", "line 3: it holds a zero"),
            (f"b.jpg,{'R' * 201},Socks", "line 3: return_id has 201 characters, the limit is 200"),
        ],
    )
    def test_a_bad_line_is_named_and_the_others_are_used(self, tmp_path: Path, line: str, words: str) -> None:
        (tmp_path / "manifest.csv").write_text(
            f"filename,return_id,expected_category\na.jpg,R-1,Socks\n{line}\nz.jpg,R-9,Belts\n",
            errors="surrogateescape",
        )
        manifest = read_manifest(Folder(tmp_path), CLASSES)
        assert len(manifest.problems) == 1
        assert words in manifest.problems[0]
        assert manifest.entry("z.jpg").return_id == "R-9"

    @pytest.mark.parametrize(
        "content", [b"", b"photo;return\n", b"filename,size\n", "filename\na.jpg\n".encode("utf-16")]
    )
    def test_with_an_unusable_file_the_photos_wait(self, desk: Desk, content: bytes) -> None:
        """Without their returns they would be other records, doubled once the manifest is mended."""
        desk.add("a.jpg", "b.jpg")
        (desk.inbox / "manifest.csv").write_bytes(content)
        code, output = desk.run()
        assert code == ExitCode.USAGE
        assert "manifest.csv line 1: the header must be filename,return_id,expected_category" in " ".join(
            output.split()
        )
        assert desk.rows('SELECT status, found, "left" FROM runs') == [("stopped", 2, 2)]
        (desk.inbox / "manifest.csv").write_text("filename,return_id\na.jpg,R-1\n")
        assert desk.run()[0] == ExitCode.OK
        assert desk.rows("SELECT filename, return_id FROM predictions ORDER BY 1") == [
            ("a.jpg", "R-1"),
            ("b.jpg", None),
        ]

    def test_is_stored_and_a_mismatch_is_flagged(self, desk: Desk) -> None:
        desk.add("right.jpg", "wrong.jpg", "unsaid.jpg")
        (desk.inbox / "manifest.csv").write_text(
            "filename,return_id,expected_category\nright.jpg,R-1,Socks\nwrong.jpg,R-2,Belts\nwrong.jpg,R-3,Belts\n"
        )
        code, output = desk.run()
        assert code == ExitCode.OK
        assert "manifest.csv line 4: 'wrong.jpg' stands there twice" in output
        assert desk.rows("SELECT filename, return_id, expected_category, mismatch FROM predictions ORDER BY 1") == [
            ("right.jpg", "R-1", "Socks", 0),
            ("unsaid.jpg", None, None, None),
            ("wrong.jpg", "R-2", "Belts", 1),
        ]
        (desk.inbox / "manifest.csv").write_text("filename,return_id,expected_category\nwrong.jpg,R-2,Socks\n")
        desk.run()  # a correction is obeyed although the photo is known
        assert desk.rows("SELECT mismatch FROM predictions WHERE filename = 'wrong.jpg'") == [(0,)]

    def test_another_return_is_another_record(self, desk: Desk) -> None:
        desk.add("a.jpg")
        for return_id in ("R-1", "R-2"):
            (desk.inbox / "manifest.csv").write_text(f"filename,return_id\na.jpg,{return_id}\n")
            desk.run()
        first = desk.rows("SELECT photo_id FROM predictions WHERE return_id = 'R-1'")[0][0]
        assert desk.rows("SELECT return_id, repeat_of FROM predictions ORDER BY photo_id") == [
            ("R-1", None),
            ("R-2", first),
        ]


class TestResending:
    def test_retry_failed_sends_what_failed_and_force_sends_all(self, desk: Desk) -> None:
        desk.add("good.jpg", "bad.jpg")
        desk.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        desk.run()
        desk.stub.photos.clear()
        assert desk.run("retry-failed")[0] == ExitCode.PHOTOS_FAILED
        assert desk.stub.photos == [b"photo bad.jpg"]
        desk.stub.answer = lambda body, attempt: prediction("Belts")
        assert desk.run("run", "--force")[0] == ExitCode.OK
        assert len(desk.stub.photos) == 3
        assert desk.rows("SELECT filename, predicted_class FROM predictions ORDER BY 1") == [
            ("bad.jpg", "Belts"),
            ("good.jpg", "Belts"),
        ]


class TestShards:
    def test_shares_are_disjoint_and_whole(self) -> None:
        names = [f"{i}.jpg" for i in range(500)]
        shares = [[name for name in names if Shard(index, 3).holds(name)] for index in range(3)]
        assert sorted(name for share in shares for name in share) == sorted(names)
        assert all(len(share) > 100 for share in shares)

    @pytest.mark.parametrize("text", ["3/3", "1", "a/b", "-1/2", "1/0"])
    def test_impossible_ones_are_refused(self, text: str) -> None:
        with pytest.raises(UsageError, match="INDEX/COUNT"):
            Shard.parse(text)

    def test_two_at_once_share_a_folder(self, desk: Desk) -> None:
        desk.add(*(f"{i:03}.jpg" for i in range(60)))
        desk.stub.seconds = 0.01
        environment = {**os.environ, **desk.environment, "BATCH_SHARD": "/2"}
        command = [sys.executable, "-m", "batch_client", "run", "--json"]
        clients = [
            subprocess.Popen(command, env={**environment, "JOB_COMPLETION_INDEX": str(i)}, stdout=subprocess.PIPE)
            for i in range(2)
        ]
        reports = [json.loads(client.communicate(timeout=60)[0]) for client in clients]
        assert [report["exit_code"] for report in reports] == [0, 0]
        assert sum(report["classified"] for report in reports) == 60
        assert desk.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(60, 60)]


class TestFiles:
    def test_moved(self, desk: Desk, tmp_path: Path) -> None:
        desk.add("a.jpg", "sub/b.jpg", "bad.jpg")
        desk.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        desk.run("run", "--processed", "move")
        assert [path for path in desk.inbox.rglob("*") if path.is_file()] == []
        assert (tmp_path / "processed" / "sub" / "b.jpg").read_bytes() == b"photo sub/b.jpg"
        assert (tmp_path / "quarantine" / "bad.jpg").exists()
        assert "unsupported_format: These bytes" in (tmp_path / "quarantine" / "bad.jpg.reason").read_text()
        (desk.inbox / "a.jpg").write_bytes(b"another photo of the same name")
        desk.run("run", "--processed", "move")
        assert len(list((tmp_path / "processed").glob("a*.jpg"))) == 2

    def test_a_folder_may_have_the_name_of_an_earlier_photo(self, desk: Desk, tmp_path: Path) -> None:
        (tmp_path / "processed").mkdir()
        (tmp_path / "processed" / "R-1").write_bytes(b"a photo without an ending")
        desk.add("R-1/front.jpg")
        assert desk.run("run", "--processed", "move")[0] == ExitCode.OK
        assert (tmp_path / "processed" / "R-1.folder" / "front.jpg").exists()

    def test_a_file_that_cannot_be_put_away_keeps_no_other_back(self, desk: Desk, tmp_path: Path) -> None:
        (tmp_path / "processed").mkdir()
        for name in ("R-1", "R-1.folder"):
            (tmp_path / "processed" / name).touch()
        desk.add("R-1/front.jpg", "a.jpg")
        for night in range(2):
            desk.add(f"z{night}.jpg")
            assert desk.run("run", "--processed", "move")[0] == ExitCode.RESULTS
            assert (desk.inbox / "R-1" / "front.jpg").exists()
            assert (tmp_path / "processed" / f"z{night}.jpg").exists()
        assert (tmp_path / "processed" / "a.jpg").exists()
        assert desk.rows("SELECT status, classified, known FROM runs ORDER BY id") == [
            ("finished", 3, 0),
            ("finished", 1, 1),
        ]
        message = desk.rows("SELECT message FROM runs")[0][0]
        assert message.startswith("1 not put away: R-1/front.jpg cannot be put away: ")

    def test_deleted(self, desk: Desk) -> None:
        desk.add("a.jpg")
        desk.run("run", "--processed", "delete")
        assert list(desk.inbox.iterdir()) == []
        assert desk.rows("SELECT count(*) FROM predictions") == [(1,)]

    def test_a_file_that_a_killed_run_did_not_move_is_moved_by_the_next(self, desk: Desk, tmp_path: Path) -> None:
        desk.add("a.jpg")
        desk.run()  # stored, but the file is still there
        desk.run("run", "--processed", "move")
        assert (tmp_path / "processed" / "a.jpg").exists()
        assert not (desk.inbox / "a.jpg").exists()
        assert len(desk.stub.photos) == 1

    def test_kept_with_a_copy_in_quarantine(self, desk: Desk, tmp_path: Path) -> None:
        desk.add("bad.jpg")
        desk.stub.answer = lambda body, attempt: NOT_A_PHOTO
        desk.run()
        assert (desk.inbox / "bad.jpg").exists()
        assert (tmp_path / "quarantine" / "bad.jpg").read_bytes() == b"photo bad.jpg"

    @pytest.mark.parametrize("variable", ["PROCESSED_DIR", "QUARANTINE_DIR", "MEDIA_DIR", "LOG_DIR", "RESULTS_DB"])
    def test_nothing_of_ours_lies_inside_the_source(self, desk: Desk, variable: str) -> None:
        desk.environment[variable] = str(desk.inbox / "ours")
        code, output = desk.run()
        assert code == ExitCode.USAGE
        assert variable in output

    def test_a_new_photo_under_an_old_name_is_not_taken_for_the_old_one(self, desk: Desk) -> None:
        desk.add("a.jpg")

        def answer(body: bytes, attempt: int) -> Answer:
            (desk.inbox / "a.jpg").write_bytes(b"uploaded meanwhile")
            return prediction()

        desk.stub.answer = answer
        desk.run("run", "--processed", "delete")
        assert (desk.inbox / "a.jpg").read_bytes() == b"uploaded meanwhile"

    def test_what_could_not_be_quarantined_is_by_the_next_run(self, desk: Desk, tmp_path: Path) -> None:
        desk.add("bad.jpg", f"{'long' * 60}.jpg")
        desk.stub.answer = lambda body, attempt: NOT_A_PHOTO
        (tmp_path / "quarantine").write_text("a file where the folder should be")
        code, _ = desk.run()
        assert code == ExitCode.RESULTS
        assert desk.newest_run()["status"] == "finished"
        (tmp_path / "quarantine").unlink()
        assert desk.run()[0] == ExitCode.OK
        assert len(list((tmp_path / "quarantine").glob("*.reason"))) == 2
        assert (tmp_path / "quarantine" / "bad.jpg").exists()

    @pytest.mark.parametrize("from_the_future", [False, True])
    def test_a_growing_file_is_not_settled(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_the_future: bool
    ) -> None:
        still, growing = tmp_path / "still.jpg", tmp_path / "growing.jpg"
        for path in (still, growing):
            path.write_bytes(b"x")
        if from_the_future:  # which says nothing of the file, and hides no other
            os.utime(still, (time.time() + 9_999, time.time() + 9_999))
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            growing.write_bytes(b"xy")

        monkeypatch.setattr(time, "sleep", sleep)
        files = [FoundFile(path, path.name) for path in (still, growing)]
        with ThreadPoolExecutor(1) as readers:
            assert [file.filename for file in settle(files, readers)] == ["still.jpg"]
        assert 0 < waited[0] <= 1


class TestPictures:
    def test_are_kept_of_what_a_person_will_look_at(self, desk: Desk, tmp_path: Path) -> None:
        for index, name in enumerate(("accepted", "doubtful", "mismatch", "repeat")):
            (desk.inbox / f"{name}.jpg").write_bytes(encoded(striped(seed=index)))
        (desk.inbox / "again.jpg").write_bytes((desk.inbox / "repeat.jpg").read_bytes())
        (desk.inbox / "manifest.csv").write_text("filename,expected_category\nmismatch.jpg,Belts\n")
        doubtful = (desk.inbox / "doubtful.jpg").read_bytes()

        def answer(body: bytes, attempt: int) -> Answer:
            status, value = prediction()
            return status, {**value, "decision": "review", "reason": "low_confidence"} if body == doubtful else value

        desk.stub.answer = answer
        desk.environment["AUDIT_SHARE"] = "0"
        desk.run()
        kept = {path.name.split(".")[0] for path in (tmp_path / "media").rglob("*.jpg")}
        rows = desk.rows("SELECT sha256 FROM photos WHERE filename IN ('doubtful.jpg', 'mismatch.jpg', 'repeat.jpg')")
        assert kept == {row[0] for row in rows}
        desk.environment["AUDIT_SHARE"] = "1"
        desk.run("run", "--force")
        assert desk.rows("SELECT count(*) FROM predictions_history WHERE audit") == [(4,)]
        assert len(list((tmp_path / "media").rglob("*.thumb.jpg"))) == 4

    @pytest.mark.parametrize("processed", ["move", "delete"])
    def test_a_file_stays_while_it_is_all_that_a_person_can_look_at(self, desk: Desk, processed: str) -> None:
        desk.add("shown by nothing but itself.jpg")
        status, value = prediction()
        desk.stub.answer = lambda body, attempt: (status, {**value, "decision": "review", "reason": "low_confidence"})
        for _ in range(2):
            desk.run("run", "--processed", processed)
            assert (desk.inbox / "shown by nothing but itself.jpg").exists()
        log = (Path(desk.environment["LOG_DIR"]) / "batch.log").read_text()
        assert log.count("shown by nothing but itself.jpg: the desk gets no picture") == 2
        assert len(desk.stub.photos) == 1

    def test_a_file_that_is_read_badly_the_second_time_stays(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        (desk.inbox / "doubtful.jpg").write_bytes(encoded(striped()))
        status, value = prediction()
        desk.stub.answer = lambda body, attempt: (status, {**value, "decision": "review", "reason": "low_confidence"})
        times_read = itertools.count(1)
        read = FoundFile.read_bytes

        def read_badly(file: FoundFile) -> bytes:
            if next(times_read) == 2:
                raise OSError(errno.EIO, "Input/output error")
            return read(file)

        monkeypatch.setattr(FoundFile, "read_bytes", read_badly)
        desk.run("run", "--processed", "delete")
        assert (desk.inbox / "doubtful.jpg").exists()
        desk.run("run", "--processed", "delete")
        assert not (desk.inbox / "doubtful.jpg").exists()
        assert len(list(Path(desk.environment["MEDIA_DIR"]).rglob("*.thumb.jpg"))) == 1


class TestLimits:
    def test_the_time_limit_ends_a_run_at_a_photos_boundary(self, desk: Desk) -> None:
        desk.add(*(f"{i:03}.jpg" for i in range(400)))
        desk.stub.seconds = 0.2
        desk.environment["BATCH_TIME_LIMIT_S"] = "2"
        code, output = desk.run()
        assert code == ExitCode.TIME_LIMIT
        assert "time limit" in output
        run = desk.newest_run()
        assert run["found"] == 400
        assert run["classified"] == len(desk.stub.photos) > 0

    def test_a_results_folder_that_cannot_be_written_ends_with_its_code(self, desk: Desk) -> None:
        desk.add("a.jpg")
        desk.environment["MEDIA_DIR"] = "/proc/media"
        desk.environment["AUDIT_SHARE"] = "1"
        (desk.inbox / "a.jpg").write_bytes(encoded(striped()))
        code, output = desk.run()
        assert code == ExitCode.RESULTS
        assert "MEDIA_DIR" in output

    def test_a_full_disk_ends_the_run_with_its_code_and_the_results_are_sound(self, desk: Desk) -> None:
        """The operating system refuses to let any file grow beyond 500 kB, as a full disk would."""
        desk.add(*(f"{i:03}.jpg" for i in range(600)))
        command = f"ulimit -f 500; exec {sys.executable} -m batch_client run"
        environment = {**os.environ, **desk.environment}
        done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
        assert done.returncode == ExitCode.RESULTS, done.stdout + done.stderr
        assert str(desk.results) in done.stderr
        assert "Traceback" not in done.stderr
        assert desk.rows("PRAGMA integrity_check") == [("ok",)]
        stored = desk.rows("SELECT count(*) FROM predictions")[0][0]
        assert 0 < stored < 600
        assert desk.rows("SELECT classified FROM runs") == [(stored,)]
        assert desk.run()[0] == ExitCode.OK
        assert desk.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(600, 600)]
        assert desk.run("verify")[0] == ExitCode.OK


class TestNotices:
    @pytest.fixture
    def calls(self, desk: Desk) -> list[tuple[str, bytes]]:
        received: list[tuple[str, bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(500 if self.path.endswith("broken") else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        desk.environment["WEBHOOK_URL"] = f"http://127.0.0.1:{server.server_port}/hook"
        desk.environment["PING_URL"] = f"http://127.0.0.1:{server.server_port}/ping"
        yield received
        server.shutdown()
        server.server_close()

    def test_success_and_failure(self, desk: Desk, calls: list[tuple[str, bytes]]) -> None:
        desk.add("a.jpg")
        desk.run()
        assert [path for path, _ in calls] == ["/hook", "/ping"]
        assert json.loads(calls[0][1])["classified"] == 1
        calls.clear()
        desk.add("bad.jpg")
        desk.stub.answer = lambda body, attempt: NOT_A_PHOTO
        desk.run()
        assert [path for path, _ in calls] == ["/hook", "/ping/fail"]

    def test_nobody_there_is_no_failure(self, desk: Desk) -> None:
        desk.add("a.jpg")
        desk.environment["WEBHOOK_URL"] = "http://127.0.0.1:9/secret-token"
        assert desk.run()[0] == ExitCode.OK
        log = (Path(desk.environment["LOG_DIR"]) / "batch.log").read_text()
        assert "webhook was not delivered" in log
        assert "secret-token" not in log


class TestLog:
    def test_a_line_a_run_and_a_failure(self, desk: Desk) -> None:
        desk.add("good.jpg", "bad.jpg")
        desk.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        desk.run()
        desk.environment["LOG_FORMAT"] = "json"
        desk.run()
        first, second, third = (Path(desk.environment["LOG_DIR"]) / "batch.log").read_text().splitlines()
        assert "run 1: bad.jpg: unsupported_format" in first
        assert "run 1: found=2 classified=1 known=0 failed=1 left=0 exit_code=4" in second
        entry = json.loads(third)
        assert (entry["run"], entry["known"], entry["exit_code"]) == (2, 2, 0)
        assert entry["message"].startswith("run 2: found=2 classified=0 known=2")


FAULTS = {"full": ENGINE_FULL, "refused": NOT_A_PHOTO, "died": WORKER_DIED, "dropped": None, "strange": (418, b"tea")}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    script=st.lists(st.lists(st.sampled_from(["good", *FAULTS]), max_size=4), min_size=1, max_size=12),
    runs=st.integers(1, 3),
)
def test_accounting_adds_up_and_nothing_is_doubled(
    tmp_path_factory: pytest.TempPathFactory, desk: Desk, script: list[list[str]], runs: int
) -> None:
    """Whatever the service does to each photo, and however often: each photo ends in one place, exactly."""
    folder = tmp_path_factory.mktemp("case")
    desk.inbox = folder / "inbox"
    desk.results = folder / "results.db"
    desk.environment |= {"INBOX": str(desk.inbox), "RESULTS_DB": str(desk.results)}
    desk.add(*(f"{index:02}.jpg" for index in range(len(script))))
    names = {f"photo {index:02}.jpg".encode(): faults for index, faults in enumerate(script)}
    desk.stub.photos.clear()

    def answer(body: bytes, attempt: int) -> Answer | None:
        faults = names[body]
        return FAULTS.get(faults[attempt - 1], prediction()) if attempt <= len(faults) else prediction()

    desk.stub.answer = answer
    for _ in range(runs):
        desk.run()
        run = desk.newest_run()
        assert run["found"] == len(script)
        assert run["status"] != "running"
    assert desk.rows(
        "SELECT count(*) FROM (SELECT photo_id FROM predictions_history GROUP BY photo_id, run_id HAVING count(*) > 1)"
    ) == [(0,)]
    stored = desk.rows("SELECT filename, status FROM photos")
    assert len(stored) == len({name for name, _ in stored}) <= len(script)
    classified = sum(run[0] for run in desk.rows("SELECT classified FROM runs"))
    assert desk.rows("SELECT count(*) FROM predictions_history") == [(classified,)]
