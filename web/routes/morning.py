"""The first page: what a lead wants to know in the morning, each number with the list behind it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from results import morning, planned_runs, runs, spot_checks
from results.database import Database
from results.morning import MorningSummary
from results.search import photos_by_id
from web.http.dependencies import VIEWERS_ONLY, DatabaseDep, PicturesDep
from web.http.rendering import render

router = APIRouter(include_in_schema=False, dependencies=VIEWERS_ONLY)

_NIGHT = timedelta(hours=12)  # runs that started within this time before the newest one belong to the same night
_MOST_RUNS = 24
_SPOT_CHECKS_SHOWN = 60
MOST_SPOT_CHECKS = 1_000  # counting stops here


@dataclass(frozen=True)
class Night:
    """The runs of the last night.

    Attributes:
        runs: their columns, the newest first.
        summary: of all of them.
        query: parameters of an address that choose them.
        link: the page of the run; of several, the list of them on this page.
    """

    runs: list[dict[str, Any]]
    summary: MorningSummary
    query: str
    link: str

    def part(self, name: str) -> str:
        """Return the address of a part of the run's page; of several runs, the list of them on this page."""
        return f"{self.link}#{name}" if len(self.runs) == 1 else self.link

    def photos(self, mark: str) -> str:
        """Return the address of the photos of the run with a mark; of several runs, the list of them on this page."""
        return f"/search?run={self.runs[0]['id']}&mark={mark}" if len(self.runs) == 1 else self.link

    def sum_of(self, name: str) -> int:
        """Return the sum of a column over the runs."""
        return sum(run[name] for run in self.runs)


def morning_page(request: Request, database: Database) -> Response:
    """Show what waits, what the last night did, and what went wrong."""
    moment = datetime.now(UTC)
    with database.reading() as connection:
        night = _last_night(connection)
        context = {
            "night": night,
            "waiting": night.summary.waiting if night else 0,
            "oldest": night.summary.oldest if night else None,
            "days": night.summary.oldest.days(moment) if night and night.summary.oldest else 0,
            "spot_checks": spot_checks.count_due(connection, MOST_SPOT_CHECKS),
            "missed": planned_runs.find_missed_night(connection, moment),
        }
    return render(request, "morning.html", context)


def _last_night(connection: Connection) -> Night | None:
    newest = runs.list_runs(connection, _MOST_RUNS)
    if not newest:
        return None
    begin = datetime.fromisoformat(newest[0]["started_at"]) - _NIGHT
    of_night = [run for run in newest if datetime.fromisoformat(run["started_at"]) > begin]
    query = urlencode([("run", run["id"]) for run in of_night])
    link = f"/runs/{of_night[0]['id']}" if len(of_night) == 1 else "#runs"
    return Night(of_night, morning.summarize(connection, *of_night), query, link)


@router.get("/spot-checks")
def spot_checks_page(request: Request, database: DatabaseDep, pictures: PicturesDep) -> Response:
    """Show the accepted photos that were drawn at random and wait for a person."""
    with database.reading() as connection:
        due = spot_checks.count_due(connection, MOST_SPOT_CHECKS)
        shown = photos_by_id(connection, spot_checks.photos_due(connection, _SPOT_CHECKS_SHOWN))
    context = {"photos": pictures.with_picture_flags(shown), "due": due, "most": MOST_SPOT_CHECKS}
    return render(request, "spot_checks.html", context)
