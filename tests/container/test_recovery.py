"""Whatever dies comes back, nothing is lost and nothing doubled; what is stopped ends properly."""

import fcntl
import json
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import requests
from PIL import Image

from tests.container.deployment import EVERY_MINUTE, LONG_SECONDS, NIGHTLY, SERVICES, Deployment, wait_for
from tests.container.engine import docker
from tests.support.drawn_photos import encoded, mosaic

PHOTOS = 40


def test_kill_each_container_in_the_middle_of_a_run(deployment: Deployment) -> None:
    """A paused server holds a run in its middle for as long as the test wants."""
    for number in range(PHOTOS):
        deployment.put(f"kill-{number:02}.jpg", encoded(mosaic((240, 320), 1000 + number)))
    running = "SELECT count(*) FROM runs WHERE status = 'running'"
    docker("pause", deployment.container("server"))
    try:
        deployment.schedule(EVERY_MINUTE)
        wait_for(lambda: deployment.query(running) == [[1]], "a run that waits for the service")
        second = deployment.run("batch", "sh", "-c", "batch-client run; echo exit code $?")
        assert second.endswith("exit code 75\n"), "no second run over the first"
        deployment.kill("batch")
        deployment.kill("web")
        # The next tick's run: the one that was killed is still called running until it begins.
        newest = "SELECT max(id), count(*) FROM runs"
        before = deployment.query(newest)
        wait_for(lambda: deployment.query(newest) != before, "the run after the one that was killed")
    finally:
        server = deployment.inspect("server")["State"]["Pid"]
        os.kill(server, 9)  # takes effect when the container goes on
        docker("unpause", deployment.container("server"), check=False)
    stored = "SELECT count(*), count(DISTINCT filename) FROM predictions WHERE filename LIKE 'kill-%'"
    wait_for(lambda: deployment.query(stored) == [[PHOTOS, PHOTOS]], "all photos in the results, each once")
    everyone = "SELECT count(*) FROM photos WHERE filename LIKE 'kill-%' AND status = 'classified'"
    assert deployment.query(everyone) == [[PHOTOS]]
    assert "nothing is wrong" in deployment.run("batch", "batch-client", "verify")
    deployment.wait_healthy()
    assert {service: deployment.inspect(service)["RestartCount"] > 0 for service in SERVICES} == dict.fromkeys(
        SERVICES, True
    )
    deployment.schedule(NIGHTLY)


def test_the_first_process_of_the_server_is_our_supervisor(deployment: Deployment) -> None:
    """TorchServe's launcher ignores SIGTERM as process 1, and exits with 0 when Java crashed."""
    words = deployment.run("server", "cat", "/proc/1/cmdline").split("\0")
    assert words[1:4] == ["-m", "serving", "run"]
    first = psutil.Process(deployment.inspect("server")["State"]["Pid"])
    assert [child.name() for child in first.children()] == ["java"]


def test_a_dead_java_restarts_the_server(deployment: Deployment) -> None:
    before = deployment.inspect("server")
    key = deployment.token
    next(p for p in psutil.Process(before["State"]["Pid"]).children() if p.name() == "java").kill()
    wait_for(lambda: deployment.inspect("server")["RestartCount"] > before["RestartCount"], "a restart")
    wait_for(lambda: deployment.is_healthy("server"), "server healthy again")
    assert deployment.token != key
    # Batch client and desk find the new key by themselves.
    assert "ready" in deployment.run("batch", "batch-client", "status")
    photo = {"file": encoded(mosaic((240, 320), 1))}
    token = {"Authorization": f"Bearer {deployment.settings['WEB_PREDICT_TOKEN']}"}
    assert requests.post(f"{deployment.url('web')}/predict/", files=photo, headers=token, timeout=60).status_code == 200


def test_stop_drains_what_was_begun(deployment: Deployment) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = _begin_slow_request(deployment, pool)
        began = time.monotonic()
        deployment.compose("stop", "server")
        assert time.monotonic() - began < 40, "ended by itself, not by the engine's patience"
        assert answer.result().status_code == 200
    state = deployment.inspect("server")["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    assert "drained in" in deployment.logs("server")
    deployment.compose("start", "server")
    wait_for(lambda: deployment.is_healthy("server"), "server healthy again")


def _begin_slow_request(deployment: Deployment, pool: ThreadPoolExecutor) -> "Future[requests.Response]":
    """Send a few huge photos in one request, and return once the worker is at them."""
    large = encoded(Image.new("RGB", (5000, 5000), "navy"), "PNG", compress_level=1)
    photos = {f"photo{index}": large for index in range(6)}
    url = f"{deployment.url('server')}/predictions/refund_classifier"
    headers = {"Authorization": f"Bearer {deployment.token}"}
    state = json.loads(deployment.run("server", "cat", "/run/serving/instance.json"))
    # The container's own files, as the kernel shows them to root.
    root = Path(f"/proc/{deployment.inspect('server')['State']['Pid']}/root")
    with (root / state["temporary"].lstrip("/") / "drain").open("rb") as sign:
        # Sent when nothing else is left to do: a fast machine is done within two seconds.
        answer = pool.submit(requests.post, url, files=photos, headers=headers, timeout=60)
        _wait_until_locked(sign.fileno(), answer)
    return answer


def _wait_until_locked(sign: int, answer: "Future[requests.Response]") -> None:
    deadline = time.monotonic() + LONG_SECONDS
    while time.monotonic() < deadline:
        try:
            fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # the handler holds it while it works on a batch
            return
        fcntl.flock(sign, fcntl.LOCK_UN)
        assert not answer.done(), f"over before it was seen: {answer.result().status_code} {answer.result().text[:300]}"
        time.sleep(0.001)
    raise AssertionError("the worker did not begin")
