"""Statistics over many runs, drawn as inline SVG."""

from functools import lru_cache
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from results import drift, reporting, statistics
from results.database import Database
from results.drift import Confidence, Week
from results.intervals import wilson
from results.statistics import CategoryAccuracy
from web.charts import Plot, area_plot, band_plot, line_plot
from web.http.csv_response import csv_response
from web.http.dependencies import VIEWERS_ONLY, DatabaseDep
from web.http.rendering import render

router = APIRouter(include_in_schema=False, dependencies=VIEWERS_ONLY)

LEAST_CHECKS = 100  # spot checks that a single figure of accuracy needs

_RUNS = 60
_RUNS_OF_WEEKS = 2_000  # of half a year, also with shards
_PAIRS = 20
_CATEGORIES_DRAWN = 8  # the largest; the rest are one band
_OF_WHICH = ("spot checks", "all verdicts")
_COLUMNS = ("of", "category", "reviewed", "overruled", "accuracy", "low", "high")


class CountedRuns:
    """Counts the predictions of each closed run once, because they do not change and counting a million is slow.

    Args:
        database: the results. Purged photos leave the statistics at the next start.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.classes_of = lru_cache(maxsize=4 * _RUNS)(self._count)
        self.confidence_of = lru_cache(maxsize=_RUNS_OF_WEEKS)(self._confidence)

    def _count(self, run_id: int) -> list[dict[str, Any]]:
        with self._database.reading() as connection:
            return reporting.classes_of_run(connection, run_id)

    def _confidence(self, run_id: int) -> Confidence:
        with self._database.reading() as connection:
            return drift.confidence_of_run(connection, run_id)


async def _counted_runs(request: Request) -> CountedRuns:
    return cast(CountedRuns, request.app.state.counted_runs)


CountedRunsDep = Annotated[CountedRuns, Depends(_counted_runs)]


@router.get("/figures")
def figures_page(request: Request, database: DatabaseDep, counted_runs: CountedRunsDep) -> Response:
    """Show the categories over time, the share accepted without a person, and how often people overrule the model."""
    with database.reading() as connection:
        newest = statistics.newest_closed_runs(connection, _RUNS)
        audit = statistics.review_accuracy(connection, only_audit=True)
        overruled = statistics.review_accuracy(connection, only_audit=False)
        checked, wrong = statistics.cleared_accuracy(connection)
        pairs = statistics.refused_pairs(connection, _PAIRS)
        of_weeks = drift.runs_of_newest_model(connection)
    weeks = drift.weeks_of((run["started_at"], counted_runs.confidence_of(run["id"])) for run in of_weeks)
    counted = [counted_runs.classes_of(run["id"]) for run in newest]
    accepted = [_share([entry["accept"] for entry in run], run) for run in counted]
    labels = [run["started_at"][:10] for run in newest]
    context = {
        "runs": newest,
        "accepted_plot": line_plot(labels, accepted) if newest else None,
        "accepted_last": accepted[-1] if accepted else None,
        "category_plot": area_plot(labels, *_bands(counted)) if newest else None,
        "least_checks": LEAST_CHECKS,
        "cleared": _with_interval(CategoryAccuracy("all", checked, wrong)) if checked else None,
        "pairs": pairs,
        "weeks_plot": _weeks_plot(weeks) if weeks else None,
        "outside": weeks[-1] if weeks and weeks[-1].is_outside else None,
        "audit_by_category": [_with_interval(row) for row in audit],
        "overruled": [_with_interval(row) for row in overruled],
        "overruled_total": _with_interval(_total(overruled)) if overruled else None,
    }
    return render(request, "figures.html", context)


@router.get("/figures.csv")
def figures_csv(database: DatabaseDep) -> Response:
    """Send as CSV how often people overrule the model: for the spot checks, and for all verdicts."""
    with database.reading() as connection:
        judged = {name: statistics.review_accuracy(connection, only_audit=name == "spot checks") for name in _OF_WHICH}
    rows = [{"of": name, **_with_interval(row)} for name, listed in judged.items() for row in listed]
    return csv_response("figures.csv", _COLUMNS, [[[row[name] for name in _COLUMNS] for row in rows]])


def _weeks_plot(weeks: list[Week]) -> Plot:
    bands = [None if week.low is None or week.high is None else (week.low, week.high) for week in weeks]
    return band_plot([week.monday for week in weeks], [week.mean for week in weeks], bands)


def _share(some: list[int], run: list[dict[str, Any]]) -> float:
    total = sum(entry["accept"] + entry["review"] for entry in run)
    return sum(some) / total if total else 0.0


def _bands(counted: list[list[dict[str, Any]]]) -> tuple[list[str], list[list[int]]]:
    """Return the largest categories and, for each run, their numbers of photos; all others come last, as one."""
    totals: dict[str, int] = {}
    by_run = [{entry["predicted_class"]: entry["accept"] + entry["review"] for entry in run} for run in counted]
    for run in by_run:
        for name, number in run.items():
            totals[name] = totals.get(name, 0) + number
    largest = sorted(totals, key=lambda name: (-totals[name], name))[:_CATEGORIES_DRAWN]
    rest = [sum(number for name, number in run.items() if name not in largest) for run in by_run]
    values = [[run.get(name, 0) for name in largest] + [other] for run, other in zip(by_run, rest, strict=True)]
    return [*largest, "all others"], values


def _total(rows: list[CategoryAccuracy]) -> CategoryAccuracy:
    return CategoryAccuracy("all", sum(row.reviewed for row in rows), sum(row.overruled for row in rows))


def _with_interval(row: CategoryAccuracy) -> dict[str, Any]:
    """Add the share of right predictions and its 95% interval."""
    right = row.reviewed - row.overruled
    low, high = wilson(right, row.reviewed)
    return {
        "category": row.category,
        "reviewed": row.reviewed,
        "overruled": row.overruled,
        "accuracy": right / row.reviewed,
        "low": low,
        "high": high,
    }
