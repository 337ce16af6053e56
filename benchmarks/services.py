"""Start and stop both services on free ports, each with its own files."""

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests

from export.archive import ARCHIVE_NAME
from serving import settings as serving_settings
from serving.supervisor import read_instance

ROOT = Path(__file__).resolve().parent.parent
_BOUNDARY = "one-photo"
_STARTUP_SECONDS = 120


@dataclass
class RunningService:
    """A running service.

    Attributes:
        name: for messages.
        port: on 127.0.0.1.
        path: of its prediction endpoint.
        log: its output.
        process: its root process; the others are its descendants.
        ready_seconds: from the start command to the first answered prediction.
        form_field: name of the form file; None if the photo is the body.
        token_file: file of its token, if it needs one.
        environment: variables with which the batch client finds it.
    """

    name: str
    port: int
    path: str
    log: Path
    process: psutil.Process
    ready_seconds: float
    form_field: str | None = None
    token_file: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The URL of the prediction endpoint."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def request(self, filename: str, photo: bytes) -> bytes:
        """Return the bytes of the HTTP request for one prediction."""
        headers = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        if self.token_file is not None:
            headers.append(f"Authorization: Bearer {self.token_file.read_text(encoding='ascii').strip()}")
        if self.form_field is None:
            headers.append("Content-Type: image/jpeg")
            body = photo
        else:
            headers.append(f"Content-Type: multipart/form-data; boundary={_BOUNDARY}")
            part = f'Content-Disposition: form-data; name="{self.form_field}"; filename="{filename}"'
            head = f"--{_BOUNDARY}\r\n{part}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
            body = head + photo + f"\r\n--{_BOUNDARY}--\r\n".encode()
        return "\r\n".join([*headers, f"Content-Length: {len(body)}", "", ""]).encode() + body

    def processor_seconds(self) -> float:
        """Return the processor time of all its living processes since they began."""
        times = [each.cpu_times() for each in (self.process, *self.process.children(recursive=True))]
        return sum(time.user + time.system + time.children_user + time.children_system for time in times)

    def resident_mb(self) -> float:
        """Return the memory of all its processes, megabytes: proportional set size if available, else resident."""
        processes = [self.process, *self.process.children(recursive=True)]
        full = (process.memory_full_info() for process in processes)
        return sum(getattr(memory, "pss", memory.rss) for memory in full) / 1e6


@contextmanager
def our_service(archive: Path, folder: Path) -> Iterator[RunningService]:
    """Run TorchServe with the archive, as ``make serve`` does.

    Args:
        archive: the ``.mar``.
        folder: a new one for the files of the service.

    Raises:
        RuntimeError: it did not start; the message holds what it printed.
    """
    state, store = folder / "state", folder / "store"
    state.mkdir(parents=True)
    store.mkdir()
    shutil.copyfile(archive, store / ARCHIVE_NAME)
    ports = free_ports(5)
    addresses = [f"http://127.0.0.1:{port}" for port in ports]
    environment = {
        **os.environ,
        "MODEL_STORE": str(store.resolve()),
        "SERVING_STATE": str(state),
        "SERVING_KEY_FILE": str(state / "inference.key"),
        "LOG_DIR": str(state),
        "TS_INFERENCE_ADDRESS": addresses[0],
        "TS_MANAGEMENT_ADDRESS": addresses[1],
        "TS_METRICS_ADDRESS": addresses[2],
        "TS_GRPC_INFERENCE_PORT": str(ports[3]),
        "TS_GRPC_MANAGEMENT_PORT": str(ports[4]),
        "TORCHSERVE_URL": addresses[0],
        "TORCHSERVE_TOKEN_FILE": str(state / "inference.key"),
    }
    try:
        began = time.perf_counter()
        _serving("start", environment)
        ready_seconds = time.perf_counter() - began
        settings = serving_settings.from_environment(environment)
        supervisor = psutil.Process(_supervisor(state))
        yield RunningService(
            name="TorchServe",
            port=ports[0],
            path=f"/predictions/{serving_settings.MODEL_NAME}",
            log=settings.log_file,
            process=supervisor,
            ready_seconds=ready_seconds,
            token_file=settings.token_file,
            environment=environment,
        )
    finally:
        _serving("stop", environment)


@contextmanager
def seed_service(graph: str, endpoint: str, threads: int, photo: Path, folder: Path) -> Iterator[RunningService]:
    """Run the baseline.

    Args:
        graph: name of its runtime graph.
        endpoint: ``def`` or ``async def``.
        threads: for one inference.
        photo: it is sent until it is answered.
        folder: a new one for its log.

    Raises:
        RuntimeError: it did not start; the message holds what it printed.
    """
    folder.mkdir(parents=True)
    port, log = free_ports(1)[0], folder / "seed.log"
    command = [sys.executable, "-m", "benchmarks.seed_service", "--port", str(port), "--graph", graph]
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--endpoint", endpoint, "--threads", str(threads)], cwd=ROOT, stdout=output, stderr=output
        )
    service = RunningService(
        "the baseline", port, "/predict/", log, psutil.Process(process.pid), ready_seconds=0.0, form_field="file"
    )
    try:
        while not _answers(service, photo):
            if process.poll() is not None or time.perf_counter() - began > _STARTUP_SECONDS:
                raise RuntimeError(f"the baseline did not start:\n{log.read_text(encoding='utf-8')}")
            time.sleep(0.05)
        service.ready_seconds = time.perf_counter() - began
        yield service
    finally:
        process.terminate()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Return unused ports, below the range of ephemeral ports."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(psutil.Process().cpu_affinity() or []) or psutil.cpu_count() or 1


def _serving(command: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "serving", command], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"python -m serving {command} failed:\n{done.stdout}{done.stderr}")


def _supervisor(state: Path) -> int:
    instance = read_instance(state)
    assert instance is not None, "a service that has just started says who runs it"
    return instance.supervisor


def _answers(service: RunningService, photo: Path) -> bool:
    assert service.form_field is not None
    try:
        files = {service.form_field: (photo.name, photo.read_bytes(), "image/jpeg")}
        return requests.post(service.url, files=files, timeout=60).ok
    except requests.RequestException:
        return False
