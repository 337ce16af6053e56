"""The network on a GPU and on the processor: ``python -m benchmarks.studies.accelerator``.

Needs a build of torch with CUDA (``TORCH=cuda .venv/bin/python -m tools.install benchmarks``) and nothing of the rest
of the service: decoded photos go in, logits come out, copies to the accelerator and back included.
"""

import os
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from handler import contract as contracts
from handler.runtimes.runtime import Runtime
from handler.runtimes.torch_runtime import TorchRuntime

_BATCHES = (1, 8, 32, 128, 256)
_WARMING = 5  # inferences before the clock counts


def main(
    model: Annotated[Path, typer.Option(help="Folder with checkpoint and contract.")] = Path("model"),
    seconds: Annotated[float, typer.Option(min=0.1, help="For each batch size.")] = 0.6,
) -> None:
    """Print the median time of a batch, and photos a second, for both."""
    if not torch.cuda.is_available():
        raise SystemExit(
            "benchmarks.studies.accelerator: no accelerator. A torch for one: "
            "TORCH=cuda .venv/bin/python -m tools.install benchmarks"
        )
    contract = contracts.load(model)
    console = Console()
    console.print(f"{torch.cuda.get_device_name(0)}, {os.cpu_count()} cores, torch {torch.__version__}")
    for arithmetic, gpu in (("f16", 0), ("f32", None)):
        runtime = TorchRuntime(model, contract, os.cpu_count() or 1, arithmetic, gpu)
        console.print(_table(runtime, contract.input_size, seconds))


def _table(runtime: Runtime, side: int, seconds: float) -> Table:
    table = Table(f"{runtime.name} on {runtime.device}: photos at once", "ms", "photos/s")
    for batch in _BATCHES:
        took = _median_seconds(runtime, batch, side, seconds)
        table.add_row(str(batch), f"{took * 1e3:.2f}", f"{batch / took:.0f}")
    return table


def _median_seconds(runtime: Runtime, batch: int, side: int, seconds: float) -> float:
    photos = np.random.default_rng(1).integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
    for _ in range(_WARMING):
        runtime.infer(photos)
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        runtime.infer(photos)
        times.append(time.perf_counter() - began)
    return median(times)


if __name__ == "__main__":
    typer.run(main)
