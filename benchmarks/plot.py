"""The picture of docs/performance.md: throughput and latency against the number of clients."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from benchmarks.figures import Figure, Spread

_OURS, _BASELINE, _INK, _FAINT = "#0b6e99", "#c2571a", "#24292f", "#d8dee4"
_STYLE: dict[Any, Any] = {  # Any: matplotlib types each name
    "font.size": 11,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(
    path: Path,
    photos: str,
    throughputs: dict[int, Figure],
    medians: dict[int, Figure],
    tails: dict[int, Figure],
    limit: Spread,
) -> None:
    """Draw the curves of ours and of the baseline: medians of the rounds, and bands from minimum to maximum.

    Args:
        path: of the PNG.
        photos: their size, for the title.
        throughputs: photos per second, by number of clients.
        medians: p50 in milliseconds, by number of clients.
        tails: p99 in milliseconds, by number of clients.
        limit: photos per second of the machine without a server.
    """
    with matplotlib.rc_context(_STYLE):
        picture = Picture(figsize=(8, 3.7), dpi=200, layout="constrained", facecolor="white")
        left, right = picture.subplots(1, 2)
        for of_ours, colour, name in ((True, _OURS, "this service"), (False, _BASELINE, "plain FastAPI service")):
            _curve(left, throughputs, of_ours, colour, name)
            _curve(right, medians, of_ours, colour, name)
            _curve(right, tails, of_ours, colour, "p99", dashed=True)
        left.axhline(limit.median, color=_INK, linewidth=1, linestyle=(0, (1, 2)))
        left.annotate(
            "the machine without a server", (1, limit.median), xytext=(0, 4), textcoords="offset points", fontsize=9
        )
        left.set_title(f"photos a second, {photos}", loc="left", fontsize=11)
        left.set_ylim(0, 1.12 * max(limit.median, *(figure.ours.max for figure in throughputs.values())))
        right.set_title("latency in ms: p50, dashed p99", loc="left", fontsize=11)
        right.set_yscale("log")
        right.yaxis.set_major_formatter(lambda value, _position: f"{value:g}")
        for axes in (left, right):
            _finish(axes, list(throughputs))
        left.legend(frameon=False, fontsize=10, loc="lower center", bbox_to_anchor=(0.62, 0.14))
        picture.savefig(path)


def _curve(axes: Axes, figures: dict[int, Figure], of_ours: bool, colour: str, name: str, dashed: bool = False) -> None:
    spreads = [figure.ours if of_ours else figure.baseline for figure in figures.values()]
    clients = list(figures)
    axes.fill_between(
        clients, [spread.min for spread in spreads], [spread.max for spread in spreads], color=colour, alpha=0.15, lw=0
    )
    axes.plot(
        clients,
        [spread.median for spread in spreads],
        color=colour,
        linewidth=1.2 if dashed else 2.2,
        linestyle="--" if dashed else "-",
        marker="" if dashed else "o",
        markersize=5,
        label=name,
    )


def _finish(axes: Axes, clients: list[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(clients, [str(count) for count in clients])
    axes.minorticks_off()
    axes.set_xlabel("clients at once")
    axes.grid(axis="y", color=_FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
