"""Put load on a service from another process, and return the result."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.services import RunningService

_REPLAY = Path(__file__).parent / "replay.lua"


class NotAnswered(RuntimeError):
    """A request of a measurement was not answered with 200, so its figures would be wrong."""


@dataclass(frozen=True)
class Load:
    """The result of a load.

    Attributes:
        seconds: duration of the load.
        accepted: requests answered with 200.
        refused: requests answered with 503 (with wrk: any status from 400 on).
        unanswered: requests without an answer, or with another status.
        p50_ms: median latency; of the accepted, where the load generator is ours.
        p99_ms: their 99th percentile.
    """

    seconds: float
    accepted: int
    refused: int
    unanswered: int
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Accepted requests per second."""
        return self.accepted / self.seconds


def write_requests(service: RunningService, photos: list[Path], folder: Path) -> list[Path]:
    """Write one file per photo with the request that a load generator sends to the service."""
    folder.mkdir(parents=True)
    files = [folder / f"{photo.stem}.http" for photo in photos]
    for photo, file in zip(photos, files, strict=True):
        file.write_bytes(service.request(photo.name, photo.read_bytes()))
    return files


def generator_name() -> str:
    """Return the name of the load generator."""
    return "wrk" if shutil.which("wrk") else "benchmarks.load_generator"


def drive(service: RunningService, requests: list[Path], clients: int, seconds: int) -> Load:
    """Let clients send requests; each sends its next request when the last is answered.

    Raises:
        NotAnswered: something else than 200 was answered.
    """
    if generator_name() == "wrk":
        # The time-out includes the connection. The default of two seconds is too short for 32 clients of the baseline.
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
    """Do the same with our own load generator, which counts accepted and refused requests separately."""
    numbers = (str(service.port), str(clients), str(seconds))
    return _run([sys.executable, "-m", "benchmarks.load_generator", *numbers, *map(str, requests)])


def _run(command: list[str]) -> Load:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return Load(**json.loads(done.stdout.strip().splitlines()[-1]))
