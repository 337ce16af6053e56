"""Verify that an archive on its own predicts what its checkpoint predicts."""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from export.graph import reference_logits
from handler.contract import Contract
from handler.network import ServedNetwork
from handler.postprocess import postprocess

_CLEAN_PROCESS = Path(__file__).parent / "clean_process.py"
_PHOTOS = 8
# Largest difference of a logit. Float16 storage and another order of sums cause 0.01; rounding to 8 or 16 bits causes
# more, because the golden photos are noise and lie further from the measured ranges than any real photo.
_TOLERANCE = {"f32": 0.05, "f16": 0.1, "bf16": 0.5, "int8": 1.5}


def verify(archive: Path, network: ServedNetwork, contract: Contract) -> None:
    """Unpack an archive, load it where nothing of this repository can be imported, and compare its output.

    Args:
        archive: the ``.mar``.
        network: the served network of its checkpoint.
        contract: its contract.

    Raises:
        RuntimeError: the archive does not load, or its output differs; the message holds both outputs.
    """
    photos = _golden_photos(contract.input_size)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder / "archive")
        np.save(folder / "photos.npy", photos)
        done = subprocess.run(
            [sys.executable, "-I", str(_CLEAN_PROCESS), str(folder / "archive"), str(folder / "photos.npy")],
            cwd=folder,
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        raise RuntimeError(f"the archive does not load in a clean process:\n{done.stderr}")
    served = json.loads(done.stdout)
    expected = reference_logits(network, photos)
    by_graph = {graph: np.asarray(values, dtype=np.float32) for graph, values in served["logits"].items()}
    for graph, values in by_graph.items():
        worst = float(np.abs(values - expected).max())
        if not worst <= _TOLERANCE[graph.split("-")[1]]:  # also true for a NaN
            raise RuntimeError(f"the logits of {graph} differ from the checkpoint's by up to {worst:.3f}")
    logits = by_graph[served["graph"]]
    for position, (ours, theirs) in enumerate(zip(postprocess(logits, contract), served["answers"], strict=True)):
        if _without_last_digits(ours) != _without_last_digits(theirs):
            raise RuntimeError(f"golden photo {position}: the checkpoint predicts {ours}, the archive {theirs}")


def _without_last_digits(answer: dict[str, Any]) -> dict[str, Any]:
    """Round probabilities: their last digits differ between one photo and a batch."""
    top = [{**entry, "probability": round(entry["probability"], 3)} for entry in answer["top"]]
    return {**answer, "confidence": top[0]["probability"], "top": top}


def _golden_photos(side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return smooth random colour fields, uint8 [8, side, side, 3]; always the same."""
    random = np.random.default_rng(27)
    coarse = random.integers(0, 256, (_PHOTOS, 7, 7, 3))
    repeated = np.kron(coarse, np.ones((1, side // 7 + 1, side // 7 + 1, 1)))
    return repeated[:, :side, :side].astype(np.uint8)
