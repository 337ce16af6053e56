"""Plots of a training: the learning curves and the confusion matrix."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from training.data.categories import CLASSES, UNKNOWN
from training.evaluate.outcomes import Outcome


def write_curves(epochs: Path, path: Path) -> None:
    """Draw loss and top-1 on the tuning rows by epoch.

    Args:
        epochs: the CSV that a training writes, with one line per epoch.
        path: of the PNG.
    """
    with epochs.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    epoch = [int(line["epoch"]) for line in lines]
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    loss, top1 = figure.subplots(1, 2)
    loss.plot(epoch, [float(line["loss"]) for line in lines], "o-", markersize=3, color="#1f5fa8")
    loss.set(title="loss on the training rows", xlabel="epoch", ylim=(0, None))
    for name in lines[0]:
        values = np.array([float(line[name]) for line in lines]) if name.endswith("_top1") else np.array([np.nan])
        if not np.isnan(values).all():
            words = name.removeprefix("tune_").removesuffix("_top1")
            top1.plot(epoch, values, "o-", markersize=3, label=f"{words}, at the end {values[-1]:.1%}")
    top1.set(title="top-1 on the tuning rows", xlabel="epoch")
    top1.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    if top1.lines:
        top1.legend(loc="lower right")
    for panel in (loss, top1):
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(color="#e6e6e6")
    figure.savefig(path, dpi=120)


def write_confusion(outcomes: Sequence[Outcome], path: Path) -> None:
    """Draw the confusion matrix; the colour is the share of the row.

    Photos with several accepted categories are left out, because their row is unknown.

    Args:
        outcomes: of the test rows.
        path: of the PNG.
    """
    names = (*CLASSES, UNKNOWN)
    counts = np.zeros((len(names), len(CLASSES)), dtype=int)
    for outcome in outcomes:
        if len(outcome.accepts) == 1:
            counts[names.index(outcome.accepts[0]), CLASSES.index(outcome.top[0])] += 1
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(12, 11.5), layout="constrained")
    panel = figure.subplots()
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*counts.nonzero(), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        panel.text(column, row, counts[row, column], ha="center", va="center", fontsize=8, color=colour)
    panel.set_xticks(range(len(CLASSES)), CLASSES, rotation=90, fontsize=9)
    panel.set_yticks(range(len(names)), names, fontsize=9)
    panel.set(
        xlabel="predicted", ylabel="label", title=f"{counts.sum()} photos; numbers: photos, colour: share of the row"
    )
    figure.savefig(path, dpi=110)
