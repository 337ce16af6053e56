"""Whether another archive is as fast: ``python -m benchmarks.studies.two_archives BEFORE.mar AFTER.mar``.

Both are served by this version's TorchServe settings, by a service each. The same load takes turns between them, and
the order changes with each round, so that other work on the machine meets both. Processor time of the service a photo
is printed beside it: other work changes that much less.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.load import drive, write_requests
from benchmarks.photos import DESK, write_photos
from benchmarks.services import RunningService, our_service

_PHOTOS = 64
_WARM_S = 2


def main(
    before: Annotated[Path, typer.Argument(help="The archive that the other one is measured beside.")],
    after: Annotated[Path, typer.Argument()],
    data: Annotated[Path | None, typer.Option(help="Folder with parquet files; default: samples/.")] = None,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    seconds: Annotated[int, typer.Option(min=1, help="Of each measurement.")] = 6,
    clients: Annotated[int, typer.Option(min=1)] = 16,
) -> None:
    """Print photos a second and memory of both, and their ratio within a round."""
    with tempfile.TemporaryDirectory(prefix="two-archives-") as temporary:
        folder = Path(temporary)
        photos = write_photos(folder / "photos", DESK, _PHOTOS, data)
        with our_service(before, folder / "before") as one, our_service(after, folder / "after") as other:
            services = (one, other)
            requests = [write_requests(each, photos, folder / f"requests-{each.port}") for each in services]
            for service, files in zip(services, requests, strict=True):
                drive(service, files, clients, _WARM_S)
            rounds_measured: list[list[_Measured]] = []
            for number in range(rounds):
                order = (0, 1) if number % 2 == 0 else (1, 0)
                measured = {which: _measure(services[which], requests[which], clients, seconds) for which in order}
                rounds_measured.append([measured[0], measured[1]])
            memory = [service.resident_mb() for service in services]
    table = Table("archive", f"photos/s at {clients} clients", "processor ms a photo", "medians", "memory, MB")
    for which, path in enumerate((before, after)):
        rates = [measured[which].per_second for measured in rounds_measured]
        costs = [measured[which].processor_ms for measured in rounds_measured]
        medians = f"{median(rates):.0f}, {median(costs):.2f}"
        each = (" ".join(f"{rate:.0f}" for rate in rates), " ".join(f"{cost:.2f}" for cost in costs))
        table.add_row(str(path), *each, medians, f"{memory[which]:.0f}")
    Console(width=160).print(table)
    for name, ratios in (
        ("photos/s", sorted(second.per_second / first.per_second for first, second in rounds_measured)),
        ("processor time", sorted(second.processor_ms / first.processor_ms for first, second in rounds_measured)),
    ):
        text = f"{median(ratios):.3f} [{ratios[0]:.3f}, {ratios[-1]:.3f}]"
        typer.echo(f"{name}, after beside before within a round: {text}")


@dataclass(frozen=True)
class _Measured:
    """What one archive did in one round."""

    per_second: float
    processor_ms: float


def _measure(service: RunningService, requests: list[Path], clients: int, seconds: int) -> _Measured:
    began = service.processor_seconds()
    load = drive(service, requests, clients, seconds)
    spent = service.processor_seconds() - began
    return _Measured(load.per_second, spent * 1e3 / max(load.accepted, 1))


if __name__ == "__main__":
    typer.run(main)
