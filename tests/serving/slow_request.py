"""A request that keeps the worker busy, so that a test can strike while it is in flight."""

import fcntl
import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import requests
from PIL import Image

from tests.serving.conftest import ServiceUnderTest
from tests.support.drawn_photos import encoded


def begin_slow_request(service: ServiceUnderTest, pool: ThreadPoolExecutor) -> Future[requests.Response]:
    """Send a few photos of 25 million pixels in one request, and return once the worker is at them."""
    large = encoded(Image.new("RGB", (5000, 5000), "navy"), "PNG", compress_level=1)
    answer = pool.submit(
        requests.post,
        f"{service.url}/predictions/refund_classifier",
        files={f"photo{index}": large for index in range(6)},
        headers={"Authorization": f"Bearer {service.token}"},
        timeout=60,
    )
    with drain_sign(service).open("rb") as sign:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # the handler holds it while it works on a batch
                return answer
            fcntl.flock(sign, fcntl.LOCK_UN)
            time.sleep(0.001)
    raise AssertionError("the worker did not begin")


def drain_sign(service: ServiceUnderTest) -> Path:
    return Path(json.loads((service.state / "instance.json").read_text())["temporary"]) / "drain"
