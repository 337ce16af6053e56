"""Drive a service from another process, and say what it took."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.services import RunningService

_REPLAY = Path(__file__).parent / "replay.lua"


class NotAnswered(RuntimeError):
    """Some request of a measurement was not answered 200, so its figures would lie."""


@dataclass(frozen=True)
class Load:
    """What came of a load.

    Attributes:
        seconds: it lasted.
        accepted: requests answered 200.
        refused: requests answered 503 (by wrk: any status from 400 up).
        unanswered: requests that came to no answer, or to another status.
        p50_ms: median latency; of the accepted, where the load generator is ours.
        p99_ms: 99th percentile, likewise.
    """

    seconds: float
    accepted: int
    refused: int
    unanswered: int
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Accepted requests a second."""
        return self.accepted / self.seconds


def write_requests(service: RunningService, photos: list[Path], folder: Path) -> list[Path]:
    """Write one request file a photo, as a load generator sends it to the service."""
    folder.mkdir(parents=True)
    files = [folder / f"{photo.stem}.http" for photo in photos]
    for photo, file in zip(photos, files, strict=True):
        file.write_bytes(service.request(photo.name, photo.read_bytes()))
    return files


def generator_name() -> str:
    """Say which load generator drives the services."""
    return "wrk" if shutil.which("wrk") else "benchmarks.load_generator"


def drive(service: RunningService, requests: list[Path], clients: int, seconds: int) -> Load:
    """Let so many clients send requests, each its next one when the last was answered.

    Raises:
        NotAnswered: something else than 200 was answered.
    """
    if generator_name() == "wrk":
        # Its time-out bounds the connection too; two seconds, the default, are too few for 32 clients of the baseline.
        command = [
            *("wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds}s"),
            *("--timeout", "60s", "--script", str(_REPLAY), service.url, "--", *map(str, requests)),
        ]
        load = _run(command)
    else:
        load = overload(service, requests, clients, seconds)
    if load.refused or load.unanswered or not load.accepted:
        raise NotAnswered(f"{service.name} at {clients} clients: {load}. Its log is {service.log}.")
    return load


def overload(service: RunningService, requests: list[Path], clients: int, seconds: int) -> Load:
    """Do the same with our own load generator, which tells the accepted from the refused."""
    numbers = (str(service.port), str(clients), str(seconds))
    return _run([sys.executable, "-m", "benchmarks.load_generator", *numbers, *map(str, requests)])


def _run(command: list[str]) -> Load:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return Load(**json.loads(done.stdout.strip().splitlines()[-1]))
