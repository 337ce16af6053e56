"""``python -m benchmarks``: measure everything, print the table, write bench.json and the plot."""

import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import side_by_side
from benchmarks.figures import TABLE_WIDTH, Figure, Measured, write_json
from benchmarks.load import drive, generator_name, write_requests
from benchmarks.photos import DESK, PHONE, write_photos
from benchmarks.plot import draw
from benchmarks.seed_service import ENDPOINTS
from benchmarks.services import cores, our_service, seed_service
from benchmarks.side_by_side import FULL, HANDICAP, LIMIT, QUICK, Pair, Scale, latency, run_json, throughput
from serving.java import find_java

_MAX_HANDICAP = 1.3  # a baseline that is slower than this, compared with its own work in-process, would flatter us
_RESULTS = Path("benchmarks/results")
_LOAD_PHOTOS = {DESK.name: 16, PHONE.name: 4}
console = Console()


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with parquet files to enlarge; default: samples/.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only show that it works; its figures mean nothing.")] = False,
    output: Annotated[
        Path | None, typer.Option(help=f"Folder for bench.json and the plot; default: {_RESULTS}, none if --quick.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Measurements of each service, in turn.")] = None,
    client_photos: Annotated[
        int | None, typer.Option(min=100, help="Photos of the run that shows the batch client's memory.")
    ] = None,
    archive: Annotated[Path, typer.Option(help="The model archive.")] = Path("model_store/refund_classifier.mar"),
) -> None:
    """Compare this service with the plain FastAPI service and with the limit of the machine."""
    scale = QUICK if quick else FULL
    scale = replace(scale, rounds=rounds or scale.rounds, client_memory=client_photos or scale.client_memory)
    if not archive.is_file():
        raise SystemExit(f"benchmarks: {archive} does not exist. Build it with `make export`.")
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # so that both services are stopped
    measured = Measured()
    with _services(scale, data, archive.resolve(), measured) as pair:
        for number in range(scale.rounds):
            console.print(f"round {number + 1} of {scale.rounds}")
            _measure_round(pair, number)
    side_by_side.measure_client_memory(measured, scale.client_memory)
    Console(width=TABLE_WIDTH).print(measured.table())
    figures = {figure.figure: figure for figure in measured.figures()}
    handicap = figures[HANDICAP].ratio.median
    if handicap > _MAX_HANDICAP and not quick:
        raise SystemExit(
            f"benchmarks: the baseline is handicapped: {handicap:.2f} times its work in-process, bound {_MAX_HANDICAP}"
        )
    if output is None and quick:
        return
    output = output or _RESULTS
    output.mkdir(parents=True, exist_ok=True)
    write_json(list(figures.values()), output / "bench.json")
    _draw(figures, scale, output / "load.png")
    console.print(f"written: {output / 'bench.json'}, {output / 'load.png'}")


@contextmanager
def _services(scale: Scale, data: Path | None, archive: Path, measured: Measured) -> Iterator[Pair]:
    """Make the photos, choose the faster kind of endpoint for the baseline, and run both services."""
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        photos = {
            DESK.name: write_photos(folder / DESK.name, DESK, scale.folder, data),
            PHONE.name: write_photos(folder / PHONE.name, PHONE, _LOAD_PHOTOS[PHONE.name], data),
        }
        _print_setting(photos, data)
        graph = str(run_json("benchmarks.seed_model", str(cores()), "--", str(photos[DESK.name][0]))["graph"])
        endpoint = _faster_endpoint(graph, photos[DESK.name], scale, folder)
        with (
            our_service(archive, folder / "ours") as ours,
            seed_service(graph, endpoint, cores(), photos[DESK.name][0], folder / "baseline") as baseline,
        ):
            requests = {
                (service.name, name): write_requests(
                    service, paths[: _LOAD_PHOTOS[name]], folder / "requests" / str(service.port) / name
                )
                for service in (ours, baseline)
                for name, paths in photos.items()
            }
            yield Pair(scale, archive, ours, baseline, graph, endpoint, photos, requests, measured, folder)


def _faster_endpoint(graph: str, photos: list[Path], scale: Scale, folder: Path) -> str:
    """Return the kind of endpoint with which the baseline has the higher throughput under load."""
    rates = {}
    for endpoint in ENDPOINTS:
        files = folder / f"trial {endpoint}"
        with seed_service(graph, endpoint, cores(), photos[0], files) as service:
            requests = write_requests(service, photos[: _LOAD_PHOTOS[DESK.name]], files / "requests")
            rates[endpoint] = drive(service, requests, scale.busy, scale.seconds).per_second
    faster = max(rates, key=lambda endpoint: rates[endpoint])
    tried = ", ".join(f"{endpoint} {rate:.1f}/s" for endpoint, rate in rates.items())
    console.print(f"baseline: graph {graph}; at {scale.busy} clients {tried}: {faster} is taken")
    return faster


def _measure_round(pair: Pair, number: int) -> None:
    for kind in (DESK, PHONE):
        side_by_side.measure_load(pair, number, kind)
    side_by_side.measure_handicap(pair)
    side_by_side.measure_limit(pair)
    side_by_side.measure_folder(pair, number)
    side_by_side.measure_overload(pair, number)
    side_by_side.measure_start(pair, number)


def _print_setting(photos: dict[str, list[Path]], data: Path | None) -> None:
    for name, paths in photos.items():
        kilobytes = sorted(path.stat().st_size / 1e3 for path in paths)
        sizes = f"{kilobytes[0]:.0f} to {kilobytes[-1]:.0f} kB, median {kilobytes[len(kilobytes) // 2]:.0f}"
        console.print(f"photos {name}: {len(paths)} of {sizes}, enlarged from {data or 'samples/'}")
    busy = os.getloadavg()[0]
    console.print(
        f"{cores()} cores ({platform.machine()}), load average {busy:.1f} before the first round; "
        f"load by {generator_name()}; {find_java()}"
    )


def _draw(figures: dict[str, Figure], scale: Scale, path: Path) -> None:
    draw(
        path,
        DESK.name,
        {clients: figures[throughput(clients, DESK)] for clients in scale.clients},
        {clients: figures[latency("p50", clients, DESK)] for clients in scale.clients},
        {clients: figures[latency("p99", clients, DESK)] for clients in scale.clients},
        figures[LIMIT].baseline,
    )


if __name__ == "__main__":
    typer.run(main)
