"""Calibrate the order check of a trained model again."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from handler import checkpoint
from handler import contract as contracts
from handler.network import ResNet18
from training import match_calibration, pipeline
from training.data.dataset import Dataset, load, without_near_duplicates, without_twins
from training.data.splits import Part
from training.evaluate import order_check
from training.fit.loop import predict
from training.match_calibration import MatchThresholds
from training.model_folder import read_figures, write_match_thresholds


def recalibrate(model: Path, data: Path) -> tuple[MatchThresholds, str]:
    """Choose the thresholds of the order check again for a trained model, and write them into its folder.

    The figures are those of the tuning rows; of the test rows, which the model never learned; and of the unseen rows:
    the test rows without those that have a near-duplicate among the other rows.

    Args:
        model: folder of the model.
        data: folder of the photos that it learned from.

    Returns:
        The thresholds and the contract version, which is raised if they changed.
    """
    contract = contracts.load(model)
    network = ResNet18(contract.outputs)
    checkpoint.load(network, model / checkpoint.FILE_NAME)
    is_refit = "test_of" in read_figures(model)
    judged: tuple[Part, ...] = ("tune",) if is_refit else ("tune", "test")
    kept = without_near_duplicates(pipeline.read_samples(data, hold_out=not is_refit), judged)
    tuning, test = pipeline.part_of(kept, "tune"), pipeline.part_of(kept, "test")
    unseen = without_twins(test, [*tuning, *pipeline.part_of(kept, "train")])
    rows = {"tuning rows": tuning, "test rows": test, "unseen rows": unseen}
    decoded = {name: load(samples, contract.input_size) for name, samples in rows.items()}
    logits = {name: predict(network, dataset.photos) for name, dataset in decoded.items()}
    chosen = match_calibration.calibrate_match(logits["tuning rows"], decoded["tuning rows"], contract.temperature)
    figures = {
        name: _figures(order_check.calibrated(logits[name], contract.temperature), dataset, chosen)
        for name, dataset in decoded.items()
    }
    thresholds = {"match_threshold": chosen.match_threshold, "mismatch_threshold": chosen.mismatch_threshold}
    return chosen, write_match_thresholds(model, chosen, {**thresholds, **figures})


def _figures(probabilities: Tensor, judged: Dataset, thresholds: MatchThresholds) -> dict[str, Any]:
    """Return the figures and the look-alike pairs of the order check by group."""
    groups = {}
    measured = match_calibration.measured_thresholds(thresholds.match_threshold, thresholds.mismatch_threshold)
    for group in sorted({sample.group for sample in judged.samples}):
        rows = torch.tensor([sample.group == group for sample in judged.samples])
        members = order_check.Judged(probabilities[rows], judged.accepts[rows])
        groups[group] = {
            **order_check.figures_of(members, thresholds.match_threshold, thresholds.mismatch_threshold),
            "look_alikes": order_check.look_alikes(members, thresholds.match_threshold),
            "by_threshold": order_check.by_threshold(members, measured),
        }
    return groups
