"""The plots of an evaluation: reliability, coverage against error, and the order check."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from training.calibration import MOST_WRONG_OF_ACCEPTED
from training.evaluate import order_check
from training.evaluate.metrics import wilson_interval
from training.evaluate.outcomes import Outcome, by_group, figures_of, judged_of

_BINS = 15
_ACROSS = 3  # diagrams in a row
_LEAST_ACCEPTED = 20  # below so many photos a wrong share is noise


def write(outcomes: Sequence[Outcome], folder: Path, stem: str, order: dict[str, Any] | None = None) -> list[Path]:
    """Draw the plots into a folder, as PNG.

    Args:
        outcomes: of all groups.
        folder: it is created if it does not exist.
        stem: first part of the names of the files.
        order: report of the order check; without it its curve is not drawn.

    Returns:
        The files; none if no photo shows one of the 27.
    """
    all_groups = by_group(outcomes)
    groups = {group: [o for o in members if o.known] for group, members in all_groups.items()}
    groups = {group: members for group, members in groups.items() if members}
    if not groups:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"reliability": _reliability(groups), "coverage": _coverage(groups)}
    if order is not None:
        drawn["order-check"] = _order_curve({group: judged_of(all_groups[group]) for group in groups}, order)
    paths = [folder / f"{stem}-{name}.png" for name in drawn]
    for path, figure in zip(paths, drawn.values(), strict=True):
        figure.savefig(path, dpi=120)
    return paths


def _reliability(groups: dict[str, list[Outcome]]) -> Figure:
    across = min(_ACROSS, len(groups))
    down = -(-len(groups) // across)
    figure = Figure(figsize=(4.6 * across, 4.8 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    for panel, (group, outcomes) in zip(panels, groups.items(), strict=False):
        _draw_reliability(panel, group, outcomes)
    for panel in panels[len(groups) :]:
        panel.remove()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _draw_reliability(panel: Axes, group: str, outcomes: Sequence[Outcome]) -> None:
    """Draw accuracy against confidence, each bin with its 95% interval and its share of the photos."""
    confidence = np.array([outcome.confidence for outcome in outcomes])
    right = np.array([outcome.right for outcome in outcomes])
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    filled = np.unique(bins)
    counts = np.array([(bins == each).sum() for each in filled])
    centres = np.array([confidence[bins == each].mean() for each in filled])
    accuracy = np.array([right[bins == each].mean() for each in filled])
    intervals = np.array(
        [wilson_interval(int(right[bins == each].sum()), n) for each, n in zip(filled, counts.tolist(), strict=True)]
    )
    panel.bar((filled + 0.5) / _BINS, counts / counts.sum(), 1 / _BINS, color="#d9dee5", label="share of the photos")
    panel.plot([0, 1], [0, 1], color="#777777", linewidth=1, linestyle="--", label="perfectly calibrated")
    spread = np.abs(intervals.T - accuracy)
    panel.errorbar(centres, accuracy, spread, fmt="o", markersize=4, color="#1f5fa8", linewidth=1, label="measured")
    panel.set_title(f"{group}: {len(outcomes)} photos, ECE {figures_of(outcomes)['ece']:.3f}", fontsize=11)
    panel.set(xlabel="confidence", ylabel="right", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    panel.xaxis.set_major_formatter(PercentFormatter(1))
    panel.yaxis.set_major_formatter(PercentFormatter(1))


def _coverage(groups: dict[str, list[Outcome]]) -> Figure:
    """Draw the wrong share of the accepted against the accepted share, over all thresholds; a dot: the contract's."""
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    panel = figure.subplots()
    for group, outcomes in groups.items():
        accepted, wrong = _coverage_curve(outcomes)
        (line,) = panel.plot(accepted, wrong, linewidth=1.6, label=f"{group} ({len(outcomes)} photos)")
        shipped = figures_of(outcomes)
        if shipped["accepted_wrong"] is not None:
            panel.plot(shipped["accepted_share"], shipped["accepted_wrong"], "o", color=line.get_color(), markersize=8)
    promise = MOST_WRONG_OF_ACCEPTED
    panel.axhline(promise, color="#777777", linewidth=1, linestyle="--", label=f"{promise:.0%} wrong")
    panel.plot([], [], "o", color="#777777", markersize=8, label="the thresholds of the contract")
    panel.set(xlabel="accepted without a person", ylabel="wrong among the accepted", xlim=(0, 1), ylim=(0, None))
    panel.xaxis.set_major_formatter(PercentFormatter(1))
    panel.yaxis.set_major_formatter(PercentFormatter(1))
    panel.grid(color="#e6e6e6")
    panel.legend(loc="upper left")
    return figure


def _coverage_curve(outcomes: Sequence[Outcome]) -> tuple[np.ndarray, np.ndarray]:
    """Return the accepted share, and the wrong share of the accepted, over falling thresholds.

    Photos that the model takes for unknown are reviewed at any confidence, so a curve may end before 100%.
    """
    eligible = sorted((o for o in outcomes if not o.taken_for_unknown), key=lambda o: -o.confidence)
    wrong = np.cumsum([not outcome.right for outcome in eligible])
    taken = np.arange(1, len(eligible) + 1)
    return taken[_LEAST_ACCEPTED - 1 :] / len(outcomes), (wrong / taken)[_LEAST_ACCEPTED - 1 :]


def _order_curve(groups: dict[str, order_check.Judged], order: dict[str, Any]) -> Figure:
    """Draw right claims that match against wrong claims that pass, over all thresholds; a dot: the contract's."""
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    panel = figure.subplots()
    for group, judged in groups.items():
        right, wrong, unknown = order_check.curve(judged)
        shown = order["groups"][group]
        label = f"{group}: wrong claims ({shown['wrong_n']} photos)"
        (line,) = panel.plot(wrong, right, linewidth=1.6, label=label)
        panel.plot(shown["wrong_match"], shown["any_match"], "o", color=line.get_color(), markersize=8)
        if unknown:
            label = f"{group}: items outside the 27 ({shown['unknown_n']})"
            panel.plot(unknown, right, linewidth=1.2, linestyle="--", color=line.get_color(), label=label)
            panel.plot(shown["unknown_match"], shown["any_match"], "s", color=line.get_color(), markersize=6)
    panel.set(xlabel="false accept: claims that pass and are wrong", ylabel="true accept: right claims that match")
    panel.set_title(f"order check; dots and squares: match from {order['match_threshold']:g}", fontsize=11)
    panel.set(xlim=(0, 0.06), ylim=(0.7, 1))
    panel.xaxis.set_major_formatter(PercentFormatter(1))
    panel.yaxis.set_major_formatter(PercentFormatter(1))
    panel.grid(color="#e6e6e6")
    panel.legend(loc="lower right", fontsize=9)
    return figure
