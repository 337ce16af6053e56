"""Write a model folder: the files that export packs, and the figures that the model card quotes."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from handler import activation_ranges
from handler import checkpoint as checkpoints
from handler.contract import FILE_NAME, check_version, from_dict, load
from training.calibration import Decisions
from training.config import TrainingSettings
from training.data.categories import CLASSES
from training.match_calibration import MatchThresholds
from training.network.normalisation import MEAN, STD

CONTRACT_VERSION = "1"
SHIPPED = Path("model")  # the folder of the model that this project serves
_FIGURES = "figures.json"


def next_version(*folders: Path) -> str:
    """Return the next model version: one minor above the highest in these folders and in ``model/``.

    Without any model it is 1.0.0.
    """
    versions = [load(folder).model_version for folder in (SHIPPED, *folders) if (folder / FILE_NAME).is_file()]
    if not versions:
        return "1.0.0"
    major, minor, _ = max(tuple(int(part) for part in version.split(".")) for version in versions)
    return f"{major}.{minor + 1}.0"


def refuse_reused_version(model_version: str, *folders: Path) -> None:
    """Refuse a version that other weights have: stored predictions could not be told apart.

    Raises:
        ValueError: a model in these folders or in ``model/`` has this version; or the text is no version.
    """
    check_version(model_version)
    for folder in (*folders, SHIPPED):
        if (folder / FILE_NAME).is_file() and load(folder).model_version == model_version:
            raise ValueError(f"{folder} holds model {model_version} already; choose another one with --model-version")


def write_model(
    folder: Path,
    checkpoint: Path,
    settings: TrainingSettings,
    decisions: Decisions,
    ranges: activation_ranges.Ranges,
    figures: dict[str, Any],
    model_version: str,
) -> None:
    """Write checkpoint, ``contract.json``, ``activation_ranges.json`` and ``figures.json`` into a folder.

    Args:
        folder: of the model.
        checkpoint: to copy.
        settings: of its training.
        decisions: for the contract.
        ranges: of its activations.
        figures: for ``figures.json``, beside the settings; see :func:`read_figures`.
        model_version: of the model.

    Raises:
        ValueError: serving would not accept the contract.
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
    shutil.copyfile(checkpoint, folder / checkpoints.FILE_NAME)
    _write_json(folder / FILE_NAME, contract)
    activation_ranges.save(ranges, model_version, folder)
    _write_json(folder / _FIGURES, {"training": settings.model_dump(), **figures})


def write_match_thresholds(folder: Path, thresholds: MatchThresholds, order_check: dict[str, Any]) -> str:
    """Write the thresholds of the order check into a model's contract, and its figures; return the contract version.

    Other thresholds raise the contract version, so that the batch client decides known photos again.

    Args:
        folder: of the model.
        thresholds: for the contract.
        order_check: for ``figures.json``.
    """
    path = folder / FILE_NAME
    contract = json.loads(path.read_text(encoding="utf-8"))
    version = str(contract["contract_version"])
    fields = {**asdict(thresholds), "match_threshold_range": list(thresholds.match_threshold_range)}
    if any(contract.get(name) != fields[name] for name in ("match_threshold", "mismatch_threshold")):
        version = str(int(version) + 1)
    contract |= {"contract_version": version, **fields}
    from_dict(contract)
    _write_json(path, contract)
    _write_json(folder / _FIGURES, {**read_figures(folder), "order_check": order_check})
    return version


def read_figures(folder: Path) -> dict[str, Any]:
    """Read ``figures.json``.

    It has ``training``, the settings; ``test``, the figures on the test rows by group; ``order_check``, the figures of
    the order check by rows and group; and, for a release build, ``test_of``: the version and the settings of the model
    that ``test`` belongs to.
    """
    figures: dict[str, Any] = json.loads((folder / _FIGURES).read_text(encoding="utf-8"))
    return figures


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
