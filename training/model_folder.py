"""Write ``model/``: what export packs and what the model card quotes."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from handler.contract import FILE_NAME, from_dict
from training.calibration import Decisions
from training.initial_weights import CHECKPOINT
from training.loop import TrainingSettings
from training.normalisation import MEAN, STD
from training.rows import CLASSES

CONTRACT_VERSION = "1"


def write_model(
    folder: Path,
    checkpoint: Path,
    settings: TrainingSettings,
    decisions: Decisions,
    figures: dict[str, Any],
    model_version: str,
) -> None:
    """Write checkpoint, ``contract.json`` and ``figures.json`` into a folder.

    Raises:
        ValueError: the contract would not be one that serving accepts.
    """
    contract = {
        "model_version": model_version,
        "contract_version": CONTRACT_VERSION,
        "classes": list(CLASSES),
        "input_size": settings.input_size,
        "mean": list(MEAN),
        "std": list(STD),
        **asdict(decisions),
    }
    from_dict(contract)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(checkpoint, folder / CHECKPOINT)
    _write_json(folder / FILE_NAME, contract)
    _write_json(folder / "figures.json", {"training": asdict(settings), "test": figures})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
