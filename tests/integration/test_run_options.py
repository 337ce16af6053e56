"""What a run does besides classifying: shards, photos sent again, limits, notices, logs."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_client.errors import UsageError
from batch_client.exit_codes import ExitCode
from batch_client.sources.shard import Shard
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import encoded, striped
from tests.support.stub_service import (
    ENGINE_FULL,
    NOT_A_PHOTO,
    WORKER_DIED,
    Answer,
    prediction,
)


class TestResending:
    def test_retry_failed_sends_what_failed_and_force_sends_all(self, rig: BatchRig) -> None:
        rig.add("good.jpg", "bad.jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        rig.run()
        rig.stub.photos.clear()
        assert rig.run("retry-failed")[0] == ExitCode.PHOTOS_FAILED
        assert rig.stub.photos == [b"photo bad.jpg"]
        rig.stub.answer = lambda body, attempt: prediction("Belts")
        assert rig.run("run", "--force")[0] == ExitCode.OK
        assert len(rig.stub.photos) == 3
        assert rig.rows("SELECT filename, predicted_class FROM predictions ORDER BY 1") == [
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

    def test_two_at_once_share_a_folder(self, rig: BatchRig) -> None:
        rig.add(*(f"{i:03}.jpg" for i in range(60)))
        rig.stub.seconds = 0.01
        environment = {**os.environ, **rig.environment, "BATCH_SHARD": "/2"}
        command = [sys.executable, "-m", "batch_client", "run", "--json"]
        clients = [
            subprocess.Popen(command, env={**environment, "JOB_COMPLETION_INDEX": str(i)}, stdout=subprocess.PIPE)
            for i in range(2)
        ]
        reports = [json.loads(client.communicate(timeout=60)[0]) for client in clients]
        assert [report["exit_code"] for report in reports] == [0, 0]
        assert sum(report["classified"] for report in reports) == 60
        assert rig.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(60, 60)]


class TestLimits:
    def test_the_time_limit_ends_a_run_at_a_photos_boundary(self, rig: BatchRig) -> None:
        rig.add(*(f"{i:03}.jpg" for i in range(400)))
        rig.stub.seconds = 0.2
        rig.environment["BATCH_TIME_LIMIT_S"] = "2"
        code, output = rig.run()
        assert code == ExitCode.TIME_LIMIT
        assert "time limit" in output
        run = rig.newest_run()
        assert run["found"] == 400
        assert run["classified"] == len(rig.stub.photos) > 0

    def test_a_results_folder_that_cannot_be_written_ends_with_its_code(self, rig: BatchRig) -> None:
        rig.add("a.jpg")
        rig.environment["MEDIA_DIR"] = "/proc/media"
        rig.environment["AUDIT_SHARE"] = "1"
        (rig.inbox / "a.jpg").write_bytes(encoded(striped()))
        code, output = rig.run()
        assert code == ExitCode.RESULTS
        assert "MEDIA_DIR" in output

    def test_a_full_disk_ends_the_run_with_its_code_and_the_results_are_sound(self, rig: BatchRig) -> None:
        """The operating system refuses to let any file grow beyond 500 kB, as a full disk would."""
        rig.add(*(f"{i:03}.jpg" for i in range(600)))
        command = f"ulimit -f 500; exec {sys.executable} -m batch_client run"
        environment = {**os.environ, **rig.environment}
        done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
        assert done.returncode == ExitCode.RESULTS, done.stdout + done.stderr
        assert str(rig.results) in done.stderr
        assert "Traceback" not in done.stderr
        assert rig.rows("PRAGMA integrity_check") == [("ok",)]
        stored = rig.rows("SELECT count(*) FROM predictions")[0][0]
        assert 0 < stored < 600
        assert rig.rows("SELECT classified FROM runs") == [(stored,)]
        assert rig.run()[0] == ExitCode.OK
        assert rig.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(600, 600)]
        assert rig.run("verify")[0] == ExitCode.OK


class TestNotices:
    @pytest.fixture
    def calls(self, rig: BatchRig) -> Iterator[list[tuple[str, bytes]]]:
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
        rig.environment["WEBHOOK_URL"] = f"http://127.0.0.1:{server.server_port}/hook"
        rig.environment["PING_URL"] = f"http://127.0.0.1:{server.server_port}/ping"
        yield received
        server.shutdown()
        server.server_close()

    def test_success_and_failure(self, rig: BatchRig, calls: list[tuple[str, bytes]]) -> None:
        rig.add("a.jpg")
        rig.run()
        assert [path for path, _ in calls] == ["/hook", "/ping"]
        assert json.loads(calls[0][1])["classified"] == 1
        calls.clear()
        rig.add("bad.jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO
        rig.run()
        assert [path for path, _ in calls] == ["/hook", "/ping/fail"]

    def test_nobody_there_is_no_failure(self, rig: BatchRig) -> None:
        rig.add("a.jpg")
        rig.environment["WEBHOOK_URL"] = "http://127.0.0.1:9/secret-token"
        assert rig.run()[0] == ExitCode.OK
        log = (Path(rig.environment["LOG_DIR"]) / "batch.log").read_text()
        assert "webhook was not delivered" in log
        assert "secret-token" not in log


class TestLog:
    def test_tells_start_source_model_failures_summary_and_end(self, rig: BatchRig) -> None:
        rig.add("good.jpg", "bad.jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        rig.run()
        rig.environment["LOG_FORMAT"] = "json"
        rig.run()
        lines = (Path(rig.environment["LOG_DIR"]) / "batch.log").read_text().splitlines()
        first = [line.partition(" run 1: ")[2] for line in lines if " run 1: " in line]
        assert first[0] == f"started over {rig.inbox}"
        assert first[1] == "model 1.0.0, contract 1"
        assert first[2].startswith("bad.jpg: unsupported_format")
        assert first[3] == "returns of this run: 1 cleared, 0 on hold, 1 waits for a person"
        assert first[-1].startswith("found=2 classified=1 known=0 failed=1 left=0 exit_code=4")
        second = [json.loads(line) for line in lines if line.startswith("{")]
        assert {entry["run"] for entry in second} == {2}
        assert second[0]["source"] == str(rig.inbox)
        assert (second[-1]["known"], second[-1]["exit_code"], second[-1]["summary"]["waiting"]) == (2, 0, 1)
        assert second[-1]["message"].startswith("run 2: found=2 classified=0 known=2")


FAULTS = {"full": ENGINE_FULL, "refused": NOT_A_PHOTO, "died": WORKER_DIED, "dropped": None, "strange": (418, b"tea")}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    script=st.lists(st.lists(st.sampled_from(["good", *FAULTS]), max_size=4), min_size=1, max_size=12),
    runs=st.integers(1, 3),
)
def test_accounting_adds_up_and_nothing_is_doubled(
    tmp_path_factory: pytest.TempPathFactory, rig: BatchRig, script: list[list[str]], runs: int
) -> None:
    """Whatever the service does to each photo, and however often: each photo ends in one place, exactly."""
    folder = tmp_path_factory.mktemp("case")
    rig.inbox = folder / "inbox"
    rig.results = folder / "results.db"
    rig.environment |= {"INBOX": str(rig.inbox), "RESULTS_DB": str(rig.results)}
    rig.add(*(f"{index:02}.jpg" for index in range(len(script))))
    names = {f"photo {index:02}.jpg".encode(): faults for index, faults in enumerate(script)}
    rig.stub.photos.clear()

    def answer(body: bytes, attempt: int) -> Answer | None:
        faults = names[body]
        return FAULTS.get(faults[attempt - 1], prediction()) if attempt <= len(faults) else prediction()

    rig.stub.answer = answer
    for _ in range(runs):
        rig.run()
        run = rig.newest_run()
        assert run["found"] == len(script)
        assert run["status"] != "running"
    assert rig.rows(
        "SELECT count(*) FROM (SELECT photo_id FROM predictions_history GROUP BY photo_id, run_id HAVING count(*) > 1)"
    ) == [(0,)]
    stored = rig.rows("SELECT filename, status FROM photos")
    assert len(stored) == len({name for name, _ in stored}) <= len(script)
    classified = sum(run[0] for run in rig.rows("SELECT classified FROM runs"))
    assert rig.rows("SELECT count(*) FROM predictions_history") == [(classified,)]
