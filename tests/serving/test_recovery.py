"""kill -9 of the worker under load, and a worker whose code fails."""

import re
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from service_client.responses import Prediction, ServiceFault, read_prediction
from tests.serving.conftest import LOCKSTEP, ServiceUnderTest
from tests.serving.slow_request import begin_slow_request
from tests.support.drawn_photos import encoded, striped

PHOTO = encoded(striped())
BACK_WITHIN_SECONDS = 10.0
FAILS_ON_ONE_SIZE = b"""

def preprocess(image, size):
    if image.size == (99, 99):
        raise RuntimeError("boom")
    return _preprocess(image, size)
"""


class Load:
    """Clients that send one photo after the other until told to stop, and note every answer."""

    def __init__(self, service: ServiceUnderTest, clients: int) -> None:
        self.service = service
        self.answers: list[tuple[float, requests.Response]] = []
        self.no_answers: list[requests.RequestException] = []
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._stopped.is_set():
            try:
                self.answers.append((time.monotonic(), self.service.post(PHOTO)))
            except requests.RequestException as error:
                self.no_answers.append(error)

    def classified_since(self, moment: float) -> int:
        return sum(answer.status_code == 200 for began, answer in list(self.answers) if began > moment)

    def wait_for(self, count: int, since: float, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.classified_since(since) < count:
            assert time.monotonic() < deadline, f"{self.classified_since(since)} classified in {seconds:.0f} s"
            time.sleep(0.02)


def pending(service: ServiceUnderTest) -> int:
    """Return how many requests wait for the worker."""
    return int(service.manage("GET", "/models/refund_classifier").json()[0]["jobQueueStatus"]["pendingRequests"])


def test_a_killed_worker_is_back_within_ten_seconds(service: ServiceUnderTest) -> None:
    """A busy machine may take as long as it took for the whole start, of which a worker's is a part."""
    ready_after = float(re.findall(r"ready after ([\d.]+) s", service.log.read_text())[-1])
    with ThreadPoolExecutor(1) as pool:
        in_flight = begin_slow_request(service, pool)
        with Load(service, 8) as load:
            while pending(service) == 0:
                assert not in_flight.done()
            for worker in service.workers():
                worker.kill()
            killed = time.monotonic()
            interrupted = in_flight.result()
            load.wait_for(20, killed, max(BACK_WITHIN_SECONDS, ready_after))
    assert interrupted.status_code in (500, 503, 507), interrupted.text
    assert interrupted.json()["type"] == "InternalServerException"
    assert load.no_answers == []
    meanings = [read_prediction(answer.status_code, answer.content) for _, answer in load.answers]
    assert {meaning.kind for meaning in meanings if isinstance(meaning, ServiceFault)} <= {
        "worker_died",
        "batch_failed",
        "full",
    }
    assert all(isinstance(meaning, Prediction | ServiceFault) for meaning in meanings)
    assert service.post(PHOTO, path=f"/predictions/{LOCKSTEP}").status_code == 200


def test_scaling_up_under_load_loses_no_request(service: ServiceUnderTest) -> None:
    """Only up: on the way down TorchServe 0.12 may leave what a worker has in hand without any answer."""
    scale = "/models/refund_classifier?min_worker={0}&max_worker={0}&synchronous=true"
    try:
        with Load(service, 8) as load:
            load.wait_for(20, time.monotonic(), 60)
            answer = service.manage("PUT", scale.format(2))
            assert answer.status_code == 200, answer.text
            states = service.manage("GET", "/models/refund_classifier").json()[0]["workers"]
            assert [state["status"] for state in states] == ["READY", "READY"]
            load.wait_for(20, time.monotonic(), 60)
        assert load.no_answers == []
        assert {answer.status_code for _, answer in load.answers} == {200}
    finally:
        service.manage("PUT", scale.format(1))
    assert service.post(PHOTO).status_code == 200


def test_a_traceback_of_the_handler_is_in_the_log_and_not_in_the_answer(
    second_service: ServiceUnderTest, archive: Path
) -> None:
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(second_service.store / archive.name, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "handler/preprocess.py":
                content = content.replace(b"def preprocess(", b"def _preprocess(") + FAILS_ON_ONE_SIZE
            target.writestr(name, content)
    second_service.start()
    answer = second_service.post(encoded(striped((99, 99))))
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "boom" not in answer.text
    second_service.stop()
    logged = second_service.log.read_text()
    assert "RuntimeError: boom" in logged
    assert re.search(r"handler\\?/preprocess\.py\\\", line \d+", logged)
