"""What was measured: figures with their spread over the rounds."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from rich.table import Table


@dataclass(frozen=True)
class Spread:
    """Least, middle and greatest value of several rounds."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Summarise the values of all rounds, at least one."""
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True)
class Figure:
    """One measured quantity.

    Attributes:
        figure: what was measured.
        unit: of ``ours`` and ``baseline``.
        ours: of this project.
        baseline: of what it is compared with.
        ratio: ours / baseline, each taken within one round.
    """

    figure: str
    unit: str
    ours: Spread
    baseline: Spread
    ratio: Spread


@dataclass
class Measured:
    """All that was measured, in the order in which it was first added.

    Attributes:
        reaches: by figure, the reach that its table shows.
    """

    reaches: dict[str, str] = field(default_factory=dict)
    _pairs: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, figure: str, unit: str, ours: float, baseline: float, reach: str = "") -> None:
        """Add one round's pair of values."""
        self.reaches[figure] = reach
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
        """Draw the figures: median, and least to greatest in brackets."""
        table = Table("figure", "unit", "ours", "baseline", "ours / baseline", "reach")
        for figure in self.figures():
            spreads = (figure.ours, figure.baseline, figure.ratio)
            table.add_row(figure.figure, figure.unit, *map(_shown, spreads), self.reaches[figure.figure])
        return table


def write_json(figures: list[Figure], path: Path) -> None:
    """Write the figures as a list of ``{figure, unit, ours, baseline, ratio}``, through a temporary name."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def _shown(spread: Spread) -> str:
    return f"{_number(spread.median)} ({_number(spread.min)} to {_number(spread.max)})"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
