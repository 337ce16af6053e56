"""Latency of the returns desk with a million photos in 400,000 returns, while a batch run writes."""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import select

from benchmarks.desk import Session, batch_run, fill, print_times, served, timed
from results import returns
from results.database import Database
from results.schema import photos, return_queue
from web.settings import WebSettings

_KEYS_AT_ONCE = 500
_REPEATS = 20
_PAGES = (
    "/review",
    "/review?kind=unsure&category=Category+07&run=9",
    "/review?days=7&mine=1",
    "/returns",
    "/returns?state=open",
    "/returns?flagged=1",
    "/returns?q=R-1234",
    "/returns?q=+r-31234+",
    "/returns?q=nothing+like+it",
    "/returns/r%3AR-31234",
    "/review/photos",
)


def main() -> None:
    """Fill a database, serve it, and print the duration of requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--decisions", type=int, default=200)
    parser.add_argument("--database", help="as RESULTS_DB; filled if it holds no photo, and written to")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        location = chosen.database or str(Path(folder) / "results.db")
        started = time.perf_counter()
        if _fill(location, chosen.rows):
            print(f"{chosen.rows:,} photos in {chosen.rows * 2 // 5:,} returns: {time.perf_counter() - started:.0f} s")
        settings = WebSettings(results_db=location, media_dir=Path(folder), web_dir=Path(folder) / "web")
        with served(settings) as url, batch_run(location):
            session = Session(url)
            for path in _PAGES:
                print_times(path, [timed(lambda: session.show(path)) for _ in range(_REPEATS)])  # noqa: B023
            _measure_decisions(session, chosen.decisions)


def _fill(location: str, rows: int) -> bool:
    """Fill an empty database by the rule of the returns; return False if there is something in it."""
    database = Database(location)
    try:
        with database.reading() as connection:
            if connection.execute(select(photos.c.id).limit(1)).first() is not None:
                return False
        fill(database, rows)
        keys = [f"r:R-{number}" for number in range(rows * 2 // 5)]
        for start in range(0, len(keys), 20 * _KEYS_AT_ONCE):
            with database.writing() as connection:
                returns.refresh_keys(connection, keys[start : start + 20 * _KEYS_AT_ONCE])
        with database.reading() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("ANALYZE")
            waiting = connection.execute(select(return_queue.c.return_key)).all()
        print(f"{len(waiting):,} returns wait")
        return True
    finally:
        database.close()


def _measure_decisions(session: Session, count: int) -> None:
    """Claim and decide, as the desk does."""
    claimed: list[float] = []
    took: list[float] = []
    while len(took) < count:
        answer: dict[str, Any] = {}

        def claim(answer: dict[str, Any] = answer) -> None:
            answer |= session.change("/desk/returns/claim", {"desk": "benchmark-1", "count": 4})

        claimed.append(timed(claim))
        for card in answer["returns"]:
            seen = [
                {"photo_id": item["photo_id"], "finding": item["finding"], "category": item["final_category"]}
                for item in card["items"]
            ]
            body = {"key": card["return_key"], "changed_at": card["changed_at"], "photos": seen, "decision": "cleared"}
            took.append(timed(lambda: session.change("/desk/returns/decide", body)))  # noqa: B023
    print_times("claim four returns", claimed)
    print_times("a decision", took[:count])


if __name__ == "__main__":
    main()
