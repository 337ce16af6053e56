"""Plots: the geometry that a template draws as SVG."""

import math
from dataclasses import dataclass, field

from results.intervals import Share

WIDTH, HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 28
_LABELS = 6
_SHORT, _SHORT_LABELS = 4, 15  # so many of so few characters have room, also on a phone
_AXIS_ENDS = (0.01, 0.02, 0.04, 0.08, 0.2, 0.4, 1.0)


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
class Whisker:
    """A vertical line from one height to another, such as a confidence interval."""

    x: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Plot:
    """A plot, in units of the view box.

    Attributes:
        marks_x: labels below the plot.
        marks_y: labels left of the plot; each has a grid line.
        line: path of a line; empty if there is none.
        points: of the line.
        bands: filled shapes, from bottom to top.
        whiskers: intervals of the points.
        marked: where a vertical line marks one of the labels; None if none is marked.
    """

    marks_x: list[Mark]
    marks_y: list[Mark]
    line: str
    points: list[Mark]
    bands: list[Band]
    whiskers: list[Whisker] = field(default_factory=list)
    marked: float | None = None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT


def line_plot(labels: list[str], shares: list[float], marked: int | None = None) -> Plot:
    """Draw a share for each label, on an axis from 0 to 100%; mark the label with this number."""
    xs = _places(len(labels))
    points = [
        Mark(x, _height(share), f"{label}: {share:.1%}") for x, share, label in zip(xs, shares, labels, strict=True)
    ]
    line = "M" + " L".join(f"{point.x:.1f} {point.y:.1f}" for point in points)
    return Plot(_some(labels, xs), _shares_axis(), line, points, [], marked=None if marked is None else xs[marked])


def interval_plot(labels: list[str], shares: list[Share | None], marked: int | None = None) -> Plot | None:
    """Draw small shares with their intervals, on an axis that ends above the highest one.

    Args:
        labels: one for each share.
        shares: None where nothing is known.
        marked: number of the label to mark.

    Returns:
        None if no share is known.
    """
    known = [share for share in shares if share is not None]
    if not known:
        return None
    most = min(end for end in _AXIS_ENDS if end >= max(share.high for share in known))
    xs = _places(len(labels))
    points, whiskers = [], []
    for x, label, share in zip(xs, labels, shares, strict=True):
        if share is not None:
            text = f"{label}: {share.share:.1%}, {share.low:.1%} to {share.high:.1%}"
            points.append(Mark(x, _height(share.share / most), text))
            whiskers.append(Whisker(x, _height(share.high / most), _height(share.low / most)))
    at = None if marked is None else xs[marked]
    return Plot(_some(labels, xs), _shares_axis(most), "", points, [], whiskers, at)


def band_plot(labels: list[str], means: list[float], bands: list[tuple[float, float] | None]) -> Plot:
    """Draw means over the bands in which they are expected, on an axis that holds both.

    Args:
        labels: one for each mean.
        means: 0 to 1; at least one.
        bands: low and high for each mean; None where nothing is expected.
    """
    ends = [*means, *(end for band in bands if band is not None for end in band)]
    low = math.floor(max(0.0, min(ends) - 0.01) * 20) / 20
    high = math.ceil(min(1.0, max(ends) + 0.01) * 20) / 20

    def height(value: float) -> float:
        return _height((value - low) / (high - low))

    xs = _places(len(labels))
    placed = zip(xs, labels, means, strict=True)
    points = [Mark(x, height(value), f"{label}: {value:.1%}") for x, label, value in placed]
    line = "M" + " L".join(f"{point.x:.1f} {point.y:.1f}" for point in points)
    whiskers = [
        Whisker(x, height(band[1]), height(band[0])) for x, band in zip(xs, bands, strict=True) if band is not None
    ]
    axis = [Mark(_LEFT - 6, _height(part), f"{low + part * (high - low):.1%}") for part in (0, 0.25, 0.5, 0.75, 1)]
    return Plot(_some(labels, xs), axis, line, points, [], whiskers)


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


def _part(row: list[int], index: int) -> float:
    total = sum(row)
    return row[index] / total if total else 0.0


def _places(count: int) -> list[float]:
    span = WIDTH - _LEFT - _RIGHT
    return [_LEFT + (span * index / (count - 1) if count > 1 else span / 2) for index in range(count)]


def _height(share: float) -> float:
    return _TOP + (1 - share) * (HEIGHT - _TOP - _BOTTOM)


def _some(labels: list[str], xs: list[float]) -> list[Mark]:
    """Label every place if there are few, and only some if there are many; neighbours with one label share it."""
    before = [None, *labels[:-1]]
    firsts = [(label, x) for label, x, earlier in zip(labels, xs, before, strict=True) if label != earlier]
    most = _SHORT_LABELS if max(map(len, labels), default=0) <= _SHORT else _LABELS
    step = max(1, -(-len(firsts) // most))
    return [Mark(x, HEIGHT - 8, label) for label, x in firsts[::-1][::step][::-1]]


def _shares_axis(most: float = 1.0) -> list[Mark]:
    digits = 2 if most < 0.04 else 1 if most < 0.2 else 0
    return [Mark(_LEFT - 6, _height(part), f"{part * most:.{digits}%}") for part in (0, 0.25, 0.5, 0.75, 1)]
