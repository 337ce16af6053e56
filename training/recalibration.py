"""Calibrate the order check of a trained model again."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training import match_calibration, pipeline
from training.data.dataset import Dataset, load, without_twins
from training.evaluate import order_check
from training.held_out import load_trained
from training.match_calibration import MatchThresholds
from training.model_folder import write_match_thresholds


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
    trained = load_trained(model)
    contract = trained.contract
    kept = trained.split(data)
    tuning, test = pipeline.part_of(kept, "tune"), pipeline.part_of(kept, "test")
    unseen = without_twins(test, [*tuning, *pipeline.part_of(kept, "train")])
    rows = {"tuning rows": tuning, "test rows": test, "unseen rows": unseen}
    decoded = {name: load(samples, contract.input_size) for name, samples in rows.items()}
    logits = {name: trained.logits(dataset.photos) for name, dataset in decoded.items()}
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
