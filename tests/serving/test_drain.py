"""SIGTERM in the middle of the work: what was begun is answered, what comes later is told to come again."""

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving.conftest import ServiceUnderTest
from tests.serving.slow_request import begin_slow_request, drain_sign
from tests.support.drawn_photos import encoded, striped

PHOTO = encoded(striped())


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_sigterm_finishes_what_was_begun_and_declines_the_rest(
    second_service: ServiceUnderTest, tmp_path: Path
) -> None:
    supervisor = second_service.run_in_foreground(tmp_path / "stdout")
    with ThreadPoolExecutor(1) as pool:
        begun = begin_slow_request(second_service, pool)
        supervisor.send_signal(signal.SIGTERM)
        wait_for(lambda: drain_sign(second_service).stat().st_size > 0)
        late = second_service.post(PHOTO)
        supervisor.send_signal(signal.SIGTERM)  # a second one changes nothing
        assert begun.result().status_code == 200
        assert all("predicted_class" in entry for entry in begun.result().json()["predictions"])
    assert (late.status_code, late.json()["error"]["code"]) == (503, "draining")
    assert int(late.headers["Retry-After"]) > 0
    assert late.headers["Content-Type"] == "application/json"

    assert supervisor.wait(60) == 0
    assert second_service.processes() == []
    lines = (tmp_path / "stdout").read_text().splitlines()
    assert lines == second_service.log.read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert all(entry.keys() == {"time", "level", "logger", "message", "exception"} for entry in entries)
    assert any(entry["message"].startswith("drained in") for entry in entries)


def test_a_dead_java_ends_the_supervisor_with_a_failure(second_service: ServiceUnderTest, tmp_path: Path) -> None:
    supervisor = second_service.run_in_foreground(tmp_path / "stdout")
    next(p for p in second_service.processes() if p.name() == "java").kill()
    assert supervisor.wait(30) == 70
    assert second_service.processes() == []
    assert "ended by itself with code -9" in second_service.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_it_is_ready_ends_it_at_once(
    second_service: ServiceUnderTest, tmp_path: Path, number: signal.Signals
) -> None:
    supervisor = second_service.run_in_foreground(tmp_path / "stdout", until_ready=False)
    wait_for(lambda: (second_service.state / "instance.json").exists())
    os.kill(supervisor.pid, number)
    assert supervisor.wait(30) == 0
    assert second_service.processes() == []
