"""Read and write the activation ranges of a trained network, which export needs to quantise to 8 bits."""

import json
from pathlib import Path

FILE_NAME = "activation_ranges.json"
Ranges = dict[str, tuple[float, float]]  # lowest and highest input of each convolution, by its name in the network


def save(ranges: Ranges, model_version: str, folder: Path) -> None:
    """Write the ranges of a model into its folder."""
    rounded = {name: [float(f"{low:.6g}"), float(f"{high:.6g}")] for name, (low, high) in ranges.items()}
    text = json.dumps({"model_version": model_version, "ranges": rounded}, indent=2)
    (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")


def load(folder: Path, model_version: str) -> Ranges:
    """Read the ranges of a model from its folder.

    Raises:
        FileNotFoundError: the file is missing; the message says how to measure the ranges.
        ValueError: the ranges belong to another model version; the message names both versions.
    """
    path = folder / FILE_NAME
    command = f"`python -m training ranges --data FOLDER --out {folder}`"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Measure it with {command}.")
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["model_version"] != model_version:
        raise ValueError(
            f"{path} belongs to model {stored['model_version']}, the contract to model {model_version}. "
            f"Measure them again with {command}."
        )
    return {name: (float(low), float(high)) for name, (low, high) in stored["ranges"].items()}
