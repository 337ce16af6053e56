"""The runs of the batch client: what each found, and what happened to it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from results import reporting, runs
from web.http.csv_response import csv_response
from web.http.dependencies import VIEWERS_ONLY, DatabaseDep, RunId
from web.http.errors import WebError
from web.http.rendering import render

router = APIRouter(include_in_schema=False, dependencies=VIEWERS_ONLY)

_RUNS = 60
_FAILURES = 200
_ROWS_AT_ONCE = 1_000
_COLUMNS = (
    *("id", "started_at", "finished_at", "seconds", "speed", "status", "exit_code", "message", "source", "shard"),
    *("found", "classified", "known", "failed", "left", "model_version", "contract_version", "total"),
)


@router.get("/runs")
def runs_page(request: Request, database: DatabaseDep) -> Response:
    """Show the newest runs."""
    with database.reading() as connection:
        listed = [_with_speed(run) for run in runs.list_runs(connection, _RUNS)]
    return render(request, "runs.html", {"runs": listed, "most": _RUNS})


@router.get("/runs.csv")
def runs_csv(database: DatabaseDep) -> Response:
    """Send all runs as CSV."""
    with database.reading() as connection:
        listed = [_with_speed(run) for run in runs.list_runs(connection, None)]
    return csv_response("runs.csv", _COLUMNS, [[[run[name] for name in _COLUMNS] for run in listed]])


@router.get("/runs/{run_id}")
def run_page(request: Request, database: DatabaseDep, run_id: RunId) -> Response:
    """Show one run with its failures and their reasons."""
    with database.reading() as connection:
        run = _existing(runs.find_run(connection, run_id), run_id)
        context = {
            "run": _with_speed(run),
            "classes": reporting.classes_of_run(connection, run_id),
            "failures": reporting.failures(connection, run_id, _FAILURES),
            "mismatches": reporting.count_mismatches(connection, run_id),
            "notes": runs.notes_of_run(connection, run_id),
        }
    return render(request, "run.html", context)


@router.get("/runs/{run_id}/photos.csv")
def run_csv(database: DatabaseDep, run_id: RunId) -> Response:
    """Send the classified and the failed photos of a run as CSV."""
    with database.reading() as connection:
        _existing(runs.find_run(connection, run_id), run_id)

    def pages() -> Iterator[list[list[Any]]]:
        after = None
        while True:
            with database.reading() as connection:
                page = reporting.export_page(connection, run_id, _ROWS_AT_ONCE, after)
            yield page.rows
            if (after := page.next_key) is None:
                return

    return csv_response(f"run-{run_id}.csv", reporting.EXPORT_COLUMNS, pages())


def _existing(run: dict[str, Any] | None, run_id: int) -> dict[str, Any]:
    if run is None:
        raise WebError(404, "no_such_run", f"There is no run {run_id}.")
    return run


def _with_speed(run: dict[str, Any]) -> dict[str, Any]:
    """Add the duration of a run and the number of photos per second that it sent."""
    taken = None
    if run["finished_at"] is not None:
        taken = (datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])).total_seconds()
    sent = run["classified"] + run["failed"]
    return {**run, "seconds": taken, "speed": sent / taken if taken and sent else None}
