"""Figures with their spread over the rounds, and their table."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from rich import box
from rich.table import Table

TABLE_WIDTH = 100  # columns of a terminal


@dataclass(frozen=True)
class Spread:
    """Minimum, median and maximum of several rounds."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Summarise the values of all rounds; there must be at least one."""
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True)
class Figure:
    """One measured quantity.

    Attributes:
        figure: name of the quantity.
        unit: of ``ours`` and ``baseline``.
        ours: values of this project.
        baseline: values of the service that it is compared with.
        ratio: ours / baseline, computed within each round.
    """

    figure: str
    unit: str
    ours: Spread
    baseline: Spread
    ratio: Spread


@dataclass
class Measured:
    """All figures, in the order of their first value.

    Attributes:
        goals: by figure, the goal for the ratio that the table shows.
    """

    goals: dict[str, str] = field(default_factory=dict)
    _pairs: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, figure: str, unit: str, ours: float, baseline: float, goal: str = "") -> None:
        """Add the pair of values of one round."""
        self.goals[figure] = goal
        self._pairs.setdefault((figure, unit), []).append((ours, baseline))

    def figures(self) -> list[Figure]:
        """Summarise the rounds."""
        return [
            Figure(
                figure,
                unit,
                ours=Spread.of([ours for ours, _ in pairs]),
                baseline=Spread.of([baseline for _, baseline in pairs]),
                ratio=Spread.of([ours / baseline for ours, baseline in pairs]),
            )
            for (figure, unit), pairs in self._pairs.items()
        ]

    def table(self) -> Table:
        """Return a table of ``TABLE_WIDTH`` columns: the median, and minimum and maximum in brackets."""
        table = Table(box=box.SIMPLE_HEAD, width=TABLE_WIDTH, show_lines=False)
        table.add_column("figure, unit", overflow="fold")
        for heading in ("ours", "baseline", "ours / baseline"):
            table.add_column(heading, justify="right", no_wrap=True)
        for figure in self.figures():
            goal = self.goals[figure.figure]
            name = f"{figure.figure}, {figure.unit}" + (f"; goal: {goal}" if goal else "")
            table.add_row(name, *map(_shown, (figure.ours, figure.baseline, figure.ratio)))
        return table


def write_json(figures: list[Figure], path: Path) -> None:
    """Write the figures atomically, as a list of ``{figure, unit, ours, baseline, ratio}``."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def _shown(spread: Spread) -> str:
    return f"{_number(spread.median)} ({_number(spread.min)} to {_number(spread.max)})"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
