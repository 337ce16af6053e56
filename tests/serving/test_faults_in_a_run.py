"""What kills a night: the worker, the engine, the client, each ended in the middle of a run of 500 photos."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT
from tests.serving.conftest import ServiceUnderTest
from tests.support.drawn_photos import encoded, mosaic

PHOTOS = 500


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inbox")
    for index in range(PHOTOS):
        (folder / f"{index:03}.jpg").write_bytes(encoded(mosaic((480, 640), index)))
    return folder


class Night:
    """A run in a process of its own, watched through its database."""

    def __init__(self, service: ServiceUnderTest, inbox: Path, results: Path) -> None:
        self.service = service
        self.results = results
        service.environment["RESULTS_DB"] = str(results)
        self.command = [sys.executable, "-m", "batch_client", "run", str(inbox)]
        self.program = self.start()

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.service.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def count(self, query: str = "SELECT count(*) FROM predictions_history") -> int:
        try:
            connection = sqlite3.connect(f"file:{self.results}?mode=ro", uri=True)
        except sqlite3.OperationalError:
            return 0
        try:
            return int(connection.execute(query).fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # not created yet
        finally:
            connection.close()

    def wait_for_photos(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while self.count() < count:
            assert self.program.poll() is None, self.program.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def assert_complete(self) -> None:
        output, _ = self.program.communicate(timeout=120)
        assert self.program.returncode == 0, output
        assert self.count("SELECT count(*) FROM predictions") == PHOTOS
        assert self.count("SELECT count(DISTINCT photo_id) FROM predictions_history") == PHOTOS
        assert self.count("SELECT count(*) FROM photos WHERE status = 'failed'") == 0


def kill_worker(service: ServiceUnderTest) -> None:
    next(p for p in service.processes() if any("model_service_worker" in part for part in p.cmdline())).kill()


def kill_engine(service: ServiceUnderTest) -> None:
    next(p for p in service.processes() if p.name() == "java").kill()
    supervisor = next((p for p in service.processes() if "serving" in p.cmdline()), None)
    if supervisor is not None:
        psutil.wait_procs([supervisor], timeout=20)
    service.start()


@pytest.mark.parametrize("fault", [kill_worker, kill_engine, lambda service: (service.stop(), service.start())])
def test_the_run_goes_on(
    second_service: ServiceUnderTest, inbox: Path, tmp_path: Path, fault: Callable[[ServiceUnderTest], object]
) -> None:
    second_service.start()
    night = Night(second_service, inbox, tmp_path / "results.db")
    night.wait_for_photos(100)
    fault(second_service)
    night.assert_complete()
    assert night.count("SELECT count(*) FROM runs WHERE status = 'finished'") == 1
    assert night.count() == PHOTOS


def test_a_killed_client_is_taken_up_by_the_next(service: ServiceUnderTest, inbox: Path, tmp_path: Path) -> None:
    night = Night(service, inbox, tmp_path / "results.db")
    night.wait_for_photos(200)
    night.program.send_signal(signal.SIGKILL)
    night.program.communicate()
    stored = night.count()
    night.program = night.start()
    night.assert_complete()
    assert night.count() == PHOTOS
    assert night.count("SELECT known FROM runs ORDER BY id DESC LIMIT 1") == stored
