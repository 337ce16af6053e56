"""Whether another archive is as fast: ``python -m benchmarks.studies.two_archives BEFORE.mar AFTER.mar``.

Both are served by this version's TorchServe settings, by a service each. The same load takes turns between them, and
the order changes with each round, so that other work on the machine meets both.
"""

import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.load import drive, write_requests
from benchmarks.photos import DESK, write_photos
from benchmarks.services import our_service

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
            rates: list[list[float]] = []
            for number in range(rounds):
                measured = [0.0, 0.0]
                for which in (0, 1) if number % 2 == 0 else (1, 0):
                    measured[which] = drive(services[which], requests[which], clients, seconds).per_second
                rates.append(measured)
            memory = [service.resident_mb() for service in services]
    table = Table("archive", f"photos/s at {clients} clients, by round", "median", "memory, MB")
    for which, path in enumerate((before, after)):
        column = [measured[which] for measured in rates]
        table.add_row(
            str(path), " ".join(f"{rate:.0f}" for rate in column), f"{median(column):.0f}", f"{memory[which]:.0f}"
        )
    Console(width=160).print(table)
    ratios = sorted(measured[1] / measured[0] for measured in rates)
    typer.echo(f"after / before within a round: {median(ratios):.3f} [{ratios[0]:.3f}, {ratios[-1]:.3f}]")


if __name__ == "__main__":
    typer.run(main)
