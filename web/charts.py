"""Plots and intervals: the geometry that a template draws as SVG, and how certain a measured share is."""

import math
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 28
_LABELS = 6
_Z = 1.959963984540054  # the quantile of the normal distribution for a 95% interval


@dataclass(frozen=True)
class Mark:
    """A position with a label."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Band:
    """One filled shape, its name and its total."""

    name: str
    path: str
    total: int


@dataclass(frozen=True)
class Plot:
    """A plot, in units of the view box.

    Attributes:
        marks_x: labels below the plot.
        marks_y: labels left of the plot; each has a grid line.
        line: path of a line; empty if there is none.
        points: of the line.
        bands: filled shapes, from bottom to top.
    """

    marks_x: list[Mark]
    marks_y: list[Mark]
    line: str
    points: list[Mark]
    bands: list[Band]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT


def line_plot(labels: list[str], shares: list[float]) -> Plot:
    """Draw a share for each run, on an axis from 0 to 100%."""
    xs = _places(len(labels))
    points = [
        Mark(x, _height(share), f"{label}: {share:.1%}") for x, share, label in zip(xs, shares, labels, strict=True)
    ]
    line = "M" + " L".join(f"{point.x:.1f} {point.y:.1f}" for point in points)
    return Plot(_some(labels, xs), _shares_axis(), line, points, [])


def area_plot(labels: list[str], names: list[str], values: list[list[int]]) -> Plot:
    """Draw the composition of each run as stacked bands.

    Args:
        labels: one for each run.
        names: one for each band, from bottom to top.
        values: for each run, one number for each band.
    """
    xs = _places(len(labels))
    lower = [0.0] * len(labels)
    bands = []
    for index, name in enumerate(names):
        upper = [low + _part(row, index) for low, row in zip(lower, values, strict=True)]
        there = [f"{x:.1f} {_height(value):.1f}" for x, value in zip(xs, upper, strict=True)]
        back = [f"{x:.1f} {_height(value):.1f}" for x, value in zip(xs, lower, strict=True)][::-1]
        if len(xs) == 1:  # a single run is drawn over the whole width
            there = [f"{x} {_height(upper[0]):.1f}" for x in (_LEFT, WIDTH - _RIGHT)]
            back = [f"{x} {_height(lower[0]):.1f}" for x in (WIDTH - _RIGHT, _LEFT)]
        bands.append(Band(name, "M" + " L".join(there + back) + " Z", sum(row[index] for row in values)))
        lower = upper
    return Plot(_some(labels, xs), _shares_axis(), "", [], bands)


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95% confidence interval of a share, which also holds for small samples and shares near 0 and 1.

    Args:
        hits: how many of the trials count.
        trials: at least 1.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
    """
    share = hits / trials
    centre = (share + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _part(row: list[int], index: int) -> float:
    total = sum(row)
    return row[index] / total if total else 0.0


def _places(count: int) -> list[float]:
    span = WIDTH - _LEFT - _RIGHT
    return [_LEFT + (span * index / (count - 1) if count > 1 else span / 2) for index in range(count)]


def _height(share: float) -> float:
    return _TOP + (1 - share) * (HEIGHT - _TOP - _BOTTOM)


def _some(labels: list[str], xs: list[float]) -> list[Mark]:
    """Label every run if there are few, and only some if there are many."""
    step = max(1, -(-len(labels) // _LABELS))
    marks = list(zip(labels, xs, strict=True))[::-1][::step][::-1]
    return [Mark(x, HEIGHT - 8, label) for label, x in marks]


def _shares_axis() -> list[Mark]:
    return [Mark(_LEFT - 6, _height(share), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
