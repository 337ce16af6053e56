"""Runs of made-up photos for the tests of exports and reports."""

from dataclasses import replace
from typing import Any

from sqlalchemy import text

from results import photos, runs
from results.database import Database
from results.photos import Classified, Failed, PhotoKey
from results.runs import Counts

TOP = [
    {"class": "Socks", "probability": 0.9125},
    {"class": "Belts", "probability": 0.0625},
    {"class": "Wallets", "probability": 0.0124},
]
SOURCE = "/srv/returns"


def answer(filename: str, sha256: str, decision: str = "accept", **more: Any) -> Classified:
    """Return an answer; ``sha256`` may be its first two digits."""
    return_id = more.pop("return_id", "")
    key = PhotoKey(SOURCE, filename, (sha256 * 32)[:64], return_id)
    reason = "low_confidence" if decision == "review" else None
    return replace(Classified(key, 10, "Socks", 0.9125, decision, reason, TOP, "1.0.0", "1"), **more)


def failure(
    filename: str, sha256: str, code: str = "unsupported_format", message: str = "These are no photo."
) -> Failed:
    return Failed(PhotoKey(SOURCE, filename, (sha256 * 32)[:64]), 5, code, message, True)


def store(database: Database, *outcomes: Classified | Failed, source: str = SOURCE, **end: Any) -> int:
    """Record a finished run of half a minute."""
    failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
    counts = Counts(classified=len(outcomes) - failed, failed=failed).plus(left=end.get("left", 0))
    with database.writing() as connection:
        run = runs.start_run(connection, source)
        runs.set_versions(connection, run, "1.0.0", "1")
        for outcome in outcomes:
            photos.store(connection, run, outcome)
        runs.finish_run(connection, run, end.get("status", "finished"), 0, counts, end.get("message"))
        times = {"a": "2026-11-23T02:00:00.000Z", "b": "2026-11-23T02:00:30.000Z", "run": run}
        connection.execute(text("UPDATE runs SET started_at = :a, finished_at = :b WHERE id = :run"), times)
    return run


MIXED = (
    answer("a.jpg", "aa"),
    answer("sub/b.jpg", "bb", "review", return_id="R-1", expected_category="Socks", confidence=0.1 + 0.2),
    answer('odd, "name"\nß.jpg', "aa", expected_category="Belts"),
)
