"""The cost of other input sizes: ``python -m benchmarks.studies.input_sizes``.

The weights of a network know nothing of its input's size, so the model's own serve. How much each size would see,
``python -m training input-sizes`` tells.
"""

import json
import shutil
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.limit import best
from benchmarks.photos import DESK, write_photos
from benchmarks.served import ServedModel
from benchmarks.services import cores
from benchmarks.stages import milliseconds
from export.archive import build
from handler import contract as contracts

_SIDES = (112, 128, 160, 224)
_PHOTOS, _BATCH, _SECONDS = 16, 8, 2.0


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with parquet files; default: samples/.")] = None,
    model: Annotated[Path, typer.Option(help="Folder of the model.")] = Path("model"),
    rounds: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    """Print the milliseconds of a photo by input size, and the photos a second of handler and network on all cores."""
    table = Table(f"{DESK.name}, input", "bytes to pixels, one thread, ms", "network, all cores, ms", "photos/s")
    with tempfile.TemporaryDirectory(prefix="input-sizes-") as temporary:
        folder = Path(temporary)
        photos = [path.read_bytes() for path in write_photos(folder / "photos", DESK, _PHOTOS, data)]
        for side in _SIDES:
            served = _served(model, side, folder / str(side))
            batch = np.zeros((_BATCH, side, side, 3), dtype=np.uint8)
            decoding = median(milliseconds(served.prepare, photos, rounds))
            network = median(milliseconds(served.infer, [batch], 5 * rounds)) / _BATCH
            rate = best(served, photos, cores(), _SECONDS)["photos_per_second"]
            table.add_row(str(side), f"{decoding:.2f}", f"{network:.2f}", f"{rate:.0f}")
    Console().print(table)


def _served(model: Path, side: int, folder: Path) -> ServedModel:
    """Export the model with another input size."""
    shutil.copytree(model, folder / "model")
    contract = folder / "model" / contracts.FILE_NAME
    contract.write_text(json.dumps({**json.loads(contract.read_text(encoding="utf-8")), "input_size": side}))
    return ServedModel(build(folder / "model", folder / "store"), folder / "archive")


if __name__ == "__main__":
    typer.run(main)
