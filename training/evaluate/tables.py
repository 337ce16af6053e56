"""The tables that an evaluation prints."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.evaluate.metrics import calibration_error_by_chance, wilson_interval
from training.evaluate.outcomes import Outcome, by_group, mean_over_accepts

_CONFUSIONS = 10
_LABEL_WIDTH, _GROUP_WIDTH = 36, 26


def width_for(groups: int) -> int:
    """Return the width in columns that the table of figures needs."""
    return max(80, _LABEL_WIDTH + groups * _GROUP_WIDTH)


def show(console: Console, outcomes: Iterable[Outcome], figures: dict[str, dict[str, Any]]) -> None:
    """Print the figures of all groups side by side, then the categories and confusions of each."""
    groups = by_group(outcomes)
    console.print(_figures_table(groups, figures))
    for group, members in groups.items():
        if any(outcome.known for outcome in members):
            console.print(_categories_table(group, members))
            console.print(_confusions_table(group, members))


def _figures_table(groups: dict[str, list[Outcome]], figures: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="brackets: 95% intervals", title_justify="left")
    table.add_column("")
    columns = []
    for group, members in groups.items():
        table.add_column(escape(group), justify="right")
        columns.append(_figures_column(members, figures[group]))
    for label in columns[0]:
        table.add_row(label, *(column[label] for column in columns))
    return table


def _figures_column(outcomes: Sequence[Outcome], figures: dict[str, Any]) -> dict[str, str]:
    """Return the column of one group, by the labels of the rows."""
    n, unknown_n = figures["n"], figures["unknown_n"]
    accepted_n = sum(outcome.accepted for outcome in outcomes if outcome.known)
    mean, sets = mean_over_accepts(outcomes)
    confidence = torch.tensor([outcome.confidence for outcome in outcomes if outcome.known])
    return {
        "photos of the 27 categories": str(n),
        "top-1, pooled": _with_interval(figures["top1"], n),
        "top-1, mean over the `accepts` groups": f"{_percent(mean)} of {sets}" if sets else "-",
        "top-3": _with_interval(figures["top3"], n),
        "calibration error (ECE, 15 bins)": f"{figures['ece']:.4f}" if n else "-",
        "  95% value of a perfect model, same n": f"{calibration_error_by_chance(confidence):.4f}" if n else "-",
        "accepted without a person": _with_interval(figures["accepted_share"], n),
        "  wrong among these": _with_interval(figures["accepted_wrong"], accepted_n),
        "items outside the 27": str(unknown_n),
        "  sent to a person": _with_interval(figures["unknown_to_review"], unknown_n),
        "top-1 lost by serving, points": _points(figures["top1_lost_by_serving"]),
    }


def _with_interval(value: float | None, total: int) -> str:
    if value is None:
        return "-"
    low, high = wilson_interval(round(value * total), total)
    return f"{_percent(value)} \\[{low * 100:.1f}, {high * 100:.1f}]"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.1f}%"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.2f}"


@dataclass(frozen=True)
class _Category:
    """The counts of one category.

    Attributes:
        name: of the category.
        photos: photos whose only accepted category it is.
        found: those of them that are predicted as it.
        called: photos that are predicted as it.
        rightly: those of them that accept it.
    """

    name: str
    photos: int
    found: int
    called: int
    rightly: int

    @property
    def recall(self) -> float | None:
        """Return found / photos; None without photos."""
        return self.found / self.photos if self.photos else None

    @property
    def precision(self) -> float | None:
        """Return rightly / called; None without predictions."""
        return self.rightly / self.called if self.called else None


def _categories_table(group: str, outcomes: Sequence[Outcome]) -> Table:
    """List the categories in rising order of recall.

    Recall covers the photos with one accepted category, because a coarse label does not say which category is right.
    """
    known = [outcome for outcome in outcomes if outcome.known]
    photos = Counter(outcome.accepts[0] for outcome in known if len(outcome.accepts) == 1)
    found = Counter(outcome.top[0] for outcome in known if outcome.accepts == outcome.top[:1])
    called = Counter(outcome.top[0] for outcome in known)
    rightly = Counter(outcome.top[0] for outcome in known if outcome.right)
    categories = [_Category(name, photos[name], found[name], called[name], rightly[name]) for name in photos | called]
    table = Table(box=box.SIMPLE_HEAD, title=f"{escape(group)}: by category, of the 27 only", title_justify="left")
    table.add_column("category")
    for heading in ("photos", "recall", "called so", "precision"):
        table.add_column(heading, justify="right")
    # A category without photos has no recall, and comes last.
    for each in sorted(categories, key=lambda each: (2.0 if each.recall is None else each.recall, each.name)):
        table.add_row(each.name, str(each.photos), _percent(each.recall), str(each.called), _percent(each.precision))
    return table


def _confusions_table(group: str, outcomes: Sequence[Outcome]) -> Table:
    of = Counter(_joined(outcome) for outcome in outcomes if outcome.known)
    wrong = Counter((_joined(outcome), outcome.top[0]) for outcome in outcomes if outcome.known and not outcome.right)
    table = Table(box=box.SIMPLE_HEAD, title=f"{escape(group)}: worst confusions", title_justify="left")
    for heading in ("right answer", "called"):
        table.add_column(heading)
    table.add_column("photos", justify="right")
    for (right, called), count in wrong.most_common(_CONFUSIONS):
        table.add_row(right, called, f"{count} of {of[right]}")
    return table


def accept_table(group: str, rows: Sequence[dict[str, Any]]) -> Table:
    """List what other accept thresholds would give (:mod:`training.evaluate.accept_thresholds`)."""
    table = Table(box=box.SIMPLE_HEAD, title=f"{escape(group)}: other accept thresholds", title_justify="left")
    for heading in ("threshold", "accepted", "photos", "wrong", "items outside the 27"):
        table.add_column(heading, justify="right")
    for row in rows:
        counts = (str(row[name]) for name in ("accepted_n", "wrong_n", "unknown_accepted"))
        table.add_row(f"{row['threshold']:g}", _percent(row["accepted_share"]), *counts)
    return table


def mistakes_table(mistakes: Sequence[dict[str, Any]]) -> Table:
    """List wrong answers (:func:`training.evaluate.reviewed.worst_mistakes`), the most confident first."""
    table = Table(box=box.SIMPLE_HEAD, title="wrong answers of the highest confidence", title_justify="left")
    for heading in ("photo", "group", "right answer", "called"):
        table.add_column(heading)
    table.add_column("confidence", justify="right")
    for each in mistakes:
        cells = (each["photo"], each["group"], " or ".join(each["accepts"]), each["called"])
        table.add_row(*map(escape, cells), _percent(each["confidence"]))
    return table


def _joined(outcome: Outcome) -> str:
    """Return the accepted categories as a text that fits a column."""
    first, *others = outcome.accepts
    return f"{first} and {len(others)} others" if len(others) > 2 else " or ".join(outcome.accepts)
