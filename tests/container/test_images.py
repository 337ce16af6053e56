"""The images: small, without what builds them, built from what the build arguments say."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.container.deployment import OWNER, SERVICES, Deployment, wait_for
from tests.container.engine import BASE_IMAGE, docker, size_mb

LARGEST_MB = {"server": 950, "batch": 120, "web": 150}
# What installs, builds or fetches; and a JRE, not a JDK.
PROGRAMS = ("pip", "pip3", "gcc", "cc", "make", "javac", "git", "curl")
FILES = ("pip", "tests", ".cache", "key_file.json", "*.key", "*.crt")  # keys, and the certificates a build was given


@pytest.mark.parametrize("service", SERVICES)
def test_image_is_small_and_holds_only_what_runs(deployment: Deployment, service: str) -> None:
    image = f"{deployment.name}-{service}:test"
    own = size_mb(image) - size_mb(BASE_IMAGE)
    print(f"{service}: {own:.1f} MB over its base")
    assert own < LARGEST_MB[service]
    unwanted = [part for name in FILES for part in ("-name", name, "-o")]
    unwanted += [part for program in PROGRAMS for part in ("-path", f"*/bin/{program}", "-o")]
    # In a container that never ran with a service: what is in /run, then, came with the image.
    find = ["--user", "0", image, "find", "/", "-xdev", "-path", "/proc", "-prune", "-o"]
    found = docker(
        "run", "--rm", "--network", "none", *find, "(", *unwanted, "-path", "/run/*", "-type", "f", ")", "-print"
    )
    assert found == ""
    history = docker("history", "--no-trunc", image)
    assert "BEGIN CERTIFICATE" not in history
    described = json.loads(docker("inspect", image))[0]
    assert described["Config"]["User"] == "1000:1000"
    base = json.loads(docker("inspect", BASE_IMAGE))[0]["RootFS"]["Layers"]
    assert described["RootFS"]["Layers"][: len(base)] == base, "BASE_IMAGE is what it stands on"


def test_the_server_starts_without_a_network(deployment: Deployment) -> None:
    """The model came with the image: a start downloads nothing."""
    folders = ("/tmp:exec", "/run/serving:mode=0700", "/run/keys:mode=0700", "/logs:mode=0700")
    writable = [part for folder in folders for part in ("--tmpfs", f"{folder},uid={OWNER},gid={OWNER}")]
    started = ("--detach", "--network", "none", "--read-only", *writable, f"{deployment.name}-server:test")
    container = docker("run", *started)
    try:
        state = ("exec", container, "sh", "-c", "python3 -m serving status --json || true")
        wait_for(lambda: '"ready": true' in docker(*state), "a prediction without a network")
    finally:
        docker("rm", "--force", container)


def test_the_fallback_graphs_work_in_the_slim_image(deployment: Deployment) -> None:
    """What this processor does not choose by itself: torch, and OpenVINO in float32."""
    program = """
import sys, tempfile, zipfile
folder = tempfile.mkdtemp()
zipfile.ZipFile('/app/model_store/refund_classifier.mar').extractall(folder)
sys.path.insert(0, folder)
from pathlib import Path
import numpy as np
from handler import contract
from handler.runtimes import runtime
of = contract.load(Path(folder))
photos = np.random.default_rng(1).integers(0, 256, (2, of.input_size, of.input_size, 3), dtype=np.uint8)
logits = [runtime.load(Path(folder), of, 2, graph).infer(photos) for graph in ('torch-f32', 'openvino-f32')]
print(np.abs(logits[0] - logits[1]).max())
"""
    assert float(deployment.run("server", "python3", "-c", program).splitlines()[-1]) < 1e-2


def test_torch_comes_from_the_index_that_is_named(deployment: Deployment, tmp_path: Path) -> None:
    """With no wheel at hand. The index is empty: there is no falling back to the registry's gigabytes of CUDA."""
    build = Deployment(tmp_path, f"{deployment.name}index")
    build.prepare_build(wheels=False)
    with _empty_index() as (address, asked):
        build.environment["TORCH_INDEX_URL"] = address
        with pytest.raises(AssertionError, match=r"(?s)build.*torch"):
            build.compose("build", "--force-rm", "server")
    assert asked == ["/torch/"]


@contextmanager
def _empty_index() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
