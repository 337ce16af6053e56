"""The measurements: one round each, ours and the baseline."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.client_memory import BOUND_MB, client_files
from benchmarks.figures import Measured
from benchmarks.load import Load, drive, overload, write_requests
from benchmarks.photos import DESK, PHONE, PhotoKind
from benchmarks.services import ROOT, RunningService, cores, our_service, seed_service


@dataclass(frozen=True)
class Scale:
    """The extent of the measurements.

    Attributes:
        rounds: number of measurements of each service, in turn.
        seconds: duration of each load.
        clients: numbers of clients, in rising order.
        busy: the number of clients at which shares and overload are measured; one of them.
        folder: number of photos of a nightly folder.
        client_memory: number of photos of the run that measures the batch client's memory.
    """

    rounds: int
    seconds: int
    clients: tuple[int, ...]
    busy: int
    folder: int
    client_memory: int

    @property
    def crowd(self) -> int:
        """Number of clients of the overload: ten times the largest number that is measured."""
        return 10 * self.clients[-1]


FULL = Scale(rounds=5, seconds=5, clients=(1, 2, 4, 8, 16, 32), busy=16, folder=586, client_memory=100_000)
QUICK = Scale(rounds=1, seconds=1, clients=(1, 2), busy=2, folder=12, client_memory=200)


@dataclass
class Pair:
    """Both running services, and the materials of the measurements.

    Attributes:
        scale: of the run.
        archive: the one that ours serves.
        ours: TorchServe.
        baseline: the plain FastAPI service.
        graph: runtime graph of the baseline.
        endpoint: kind of the baseline's endpoint.
        photos: files by name of their kind.
        requests: request files by service's name and name of the kind of photo.
        measured: collects the figures.
        folder: for files of each measurement.
    """

    scale: Scale
    archive: Path
    ours: RunningService
    baseline: RunningService
    graph: str
    endpoint: str
    photos: dict[str, list[Path]]
    requests: dict[tuple[str, str], list[Path]]
    measured: Measured
    folder: Path

    def both(self, number: int, measure: Callable[[RunningService], Any]) -> tuple[Any, Any]:
        """Measure both services; ours comes first in even rounds, the baseline in odd rounds."""
        order = [self.ours, self.baseline] if number % 2 == 0 else [self.baseline, self.ours]
        done = {service.name: measure(service) for service in order}
        return done[self.ours.name], done[self.baseline.name]

    def load(self, service: RunningService, kind: PhotoKind, clients: int) -> Load:
        """Put load on a service with photos of one kind."""
        return drive(service, self.requests[service.name, kind.name], clients, self.scale.seconds)


def throughput(clients: int, kind: PhotoKind) -> str:
    """Name the figure."""
    return f"throughput at {_clients(clients)}, {kind.name}"


def latency(percentile: str, clients: int, kind: PhotoKind) -> str:
    """Name the figure."""
    return f"{percentile} at {_clients(clients)}, {kind.name}"


LIMIT = "throughput beside the physical limit"
HANDICAP = "the baseline itself: its p50 at 1 client beside its work in-process"


def measure_load(pair: Pair, number: int, kind: PhotoKind) -> None:
    """Measure throughput and latency at each number of clients; with large photos at two of them."""
    scale = pair.scale
    for clients in scale.clients if kind is DESK else (1, scale.busy):
        ours, baseline = pair.both(number, partial(pair.load, kind=kind, clients=clients))
        goal = "10 times, better 16" if (clients, kind) == (scale.busy, DESK) else ""
        pair.measured.add(throughput(clients, kind), "photos/s", ours.per_second, baseline.per_second, goal)
        alone = (clients, kind) == (1, DESK)
        pair.measured.add(
            latency("p50", clients, kind), "ms", ours.p50_ms, baseline.p50_ms, "at most 0.25" if alone else ""
        )
        pair.measured.add(
            latency("p99", clients, kind), "ms", ours.p99_ms, baseline.p99_ms, "at most 0.5" if alone else ""
        )


def measure_handicap(pair: Pair) -> None:
    """Compare the baseline's latency at one client with the same work in a process without a server."""
    served = pair.load(pair.baseline, DESK, 1)
    photos = [str(path) for path in pair.photos[DESK.name][:8]]
    alone = run_json("benchmarks.seed_model", str(cores()), pair.graph, "--", *photos)
    pair.measured.add(HANDICAP, "ms", served.p50_ms, alone["p50_ms"], "at most 1.3")


def measure_limit(pair: Pair) -> None:
    """Compare the throughput with decode, preprocess and network on all cores without a server."""
    served = pair.load(pair.ours, DESK, pair.scale.busy)
    photos = [str(path) for path in pair.photos[DESK.name][:16]]
    limit = run_json("benchmarks.limit", str(pair.archive), str(cores()), str(pair.scale.seconds / 2), *photos)
    pair.measured.add(LIMIT, "photos/s", served.per_second, limit["photos_per_second"], "0.7, better 0.85")


def measure_folder(pair: Pair, number: int) -> None:
    """Measure a folder from the files to the database: our client, and the seed's client also against our service.

    Our client runs twice. The first run keeps the pictures for the desk, and counts to its very end. The second one
    finds them there and requests none, as the seed's client does; it counts to its last row.
    """
    folder = pair.photos[DESK.name][0].parent
    files = pair.folder / f"folder-{number}"
    with_pictures: list[float] = []

    def client(service: RunningService) -> float:
        began = time.perf_counter()
        if service is pair.ours:
            _run_batch_client(service, folder, files, "with-pictures.db")
            with_pictures.append(pair.scale.folder / (time.perf_counter() - began))
            began_at = time.time()
            return pair.scale.folder / (_run_batch_client(service, folder, files, "results.db") - began_at)
        _run_seed_client(service, folder, files / "seed.db")
        return pair.scale.folder / (time.perf_counter() - began)

    files.mkdir()
    ours, baseline = pair.both(number, client)
    began = time.perf_counter()
    _run_seed_client(pair.ours, folder, files / "serial.db")
    serial = pair.scale.folder / (time.perf_counter() - began)
    count = f"folder of {pair.scale.folder} photos to database"
    pair.measured.add(count, "photos/s", ours, baseline, "8 times")
    pair.measured.add(f"{count}, beside the seed's client on our service", "photos/s", ours, serial, "2 times")
    pair.measured.add(f"{count}, the desk's pictures too", "photos/s", with_pictures[0], baseline)
    shutil.rmtree(files)


def measure_overload(pair: Pair, number: int) -> None:
    """Measure an overload: the share of requests that are answered, and the latency of accepted ones."""
    crowd = pair.scale.crowd
    ours, baseline = pair.both(
        number, lambda service: overload(service, pair.requests[service.name, DESK.name], crowd, pair.scale.seconds)
    )
    served = pair.load(pair.ours, DESK, pair.scale.busy)
    at = _clients(crowd)
    add = pair.measured.add
    add(f"requests answered 200 or 503 at {at}", "share", _answered(ours), _answered(baseline), "1")
    add(f"p99 of the accepted at {at}", "ms", ours.p99_ms, baseline.p99_ms)
    offered = (ours.accepted + ours.refused) / ours.seconds
    add(f"requests a second at {at}, beside throughput at {pair.scale.busy}", "requests/s", offered, served.per_second)


def measure_start(pair: Pair, number: int) -> None:
    """Measure the start of a second instance of each service, and its memory after a load.

    The first instance, which everything was measured with, tells the memory after the hardest there is.
    """
    files = pair.folder / f"start-{number}"

    def start(service: RunningService) -> tuple[float, float]:
        photos = pair.photos[DESK.name]
        if service is pair.ours:
            starting = our_service(pair.archive, files / "ours")
        else:
            starting = seed_service(pair.graph, pair.endpoint, cores(), photos[0], files / "seed")
        with starting as started:
            requests = write_requests(started, photos[: 4 * pair.scale.busy], files / "requests" / service.name)
            drive(started, requests, pair.scale.busy, pair.scale.seconds)
            return started.ready_seconds, started.resident_mb()

    ours, baseline = pair.both(number, start)
    pair.measured.add("ready to answer after start", "s", ours[0], baseline[0], "ours at most 6")
    name = "memory, all processes of the service"
    at = _clients(pair.scale.busy)
    pair.measured.add(f"{name}, after {at} with {DESK.name}", "MB", ours[1], baseline[1], "ours at most 700")
    all_told = pair.ours.resident_mb(), pair.baseline.resident_mb()
    pair.measured.add(f"{name}, after {PHONE.name} and overload", "MB", *all_told, "ours at most 700")


def measure_client_memory(measured: Measured, photos: int) -> None:
    """Compare the peak memory of the batch client at many photos and at a hundredth of them; it should not grow."""
    few, many = (run_json("benchmarks.client_memory", str(count)) for count in (photos // 100, photos))
    name = f"memory of the batch client at {photos} photos, beside {photos // 100}"
    measured.add(name, "MB", many["peak_mb"], few["peak_mb"], f"ours at most {BOUND_MB}")


def run_json(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module of ours in a process of its own and return the JSON object of its last line.

    Raises:
        RuntimeError: it failed; the message holds what it printed.
    """
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{module} failed:\n{done.stdout}{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _run_batch_client(service: RunningService, folder: Path, files: Path, database: str) -> float:
    """Run the batch client to its end; return the wall-clock time at which its last row was stored."""
    own = client_files(files) | {"RESULTS_DB": str(files / database)}
    environment = {**os.environ, **service.environment, **own}
    command = [sys.executable, "-m", "batch_client", "run", str(folder), "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the batch client ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    with closing(sqlite3.connect(own["RESULTS_DB"])) as connection:
        ((last,),) = connection.execute("SELECT max(timestamp) FROM predictions")
    return datetime.fromisoformat(last).timestamp()


def _run_seed_client(service: RunningService, folder: Path, database: Path) -> None:
    token = [str(service.token_file)] if service.token_file else []
    arguments = [str(folder), service.url, service.form_field or "data", str(database), *token]
    subprocess.run(
        [sys.executable, "-m", "benchmarks.seed_client", *arguments], cwd=ROOT, check=True, capture_output=True
    )


def _answered(load: Load) -> float:
    return (load.accepted + load.refused) / (load.accepted + load.refused + load.unanswered)


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"
