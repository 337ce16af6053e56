"""Latency of the returns desk with a million photos in 400,000 returns, while a batch run writes."""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.desk import Session, batch_run, print_times, served, timed
from results import return_queue, runs
from results.database import Database
from results.runs import Counts
from web.settings import WebSettings

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


_RUNS = 50
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ROWS - 1)"
_DAY = "'2026-' || SUBSTR('0' || (1 + i * 9 / ROWS), 1, 2) || '-01T02:00:00.000Z'"
_ORDERED = "'Category ' || (10 + i * 2 / 5 % 17)"
_IS_MISMATCH = "i * 2 / 5 % 20 = 3"
_IS_UNSURE = "i * 79 % 10 = 0"
# By the rule of results/returns.py, for returns with one order and without verdicts.
_PHOTOS = f"""INSERT INTO photos (id, source, filename, sha256, return_id, bytes, status, photo_fault,
        expected_category,
        repeat_of, repeat_kind, created_at, model_version, contract_version) {_NUMBERS}
    SELECT i + 1, '/inbox', 'night ' || (i / 20000) || '/' || i || '.jpg', 'hash ' || i, 'R-' || (i * 2 / 5), 1,
        'classified', false, {_ORDERED}, CASE WHEN i * 2 / 5 % 50 = 8 AND i > 1000 THEN i - 999 END,
        CASE WHEN i * 2 / 5 % 50 = 8 AND i > 1000 THEN 'near' END, {_DAY}, '1.0.0', '1' FROM n"""  # noqa: S608
_ANSWERS = f"""INSERT INTO predictions_history (id, photo_id, run_id, predicted_class, confidence, decision, reason,
        top3,
        model_version, contract_version, timestamp, reused, audit, match_probability, match_verdict) {_NUMBERS}
    SELECT i + 1, i + 1, 1 + i * {_RUNS} / ROWS, CASE WHEN {_IS_MISMATCH} THEN 'Category 30' ELSE {_ORDERED} END,
        0.5, CASE WHEN {_IS_MISMATCH} OR {_IS_UNSURE} THEN 'review' ELSE 'accept' END,
        CASE WHEN {_IS_MISMATCH} THEN 'mismatch' WHEN {_IS_UNSURE} THEN 'unsure_match' END,
        '[{{"class":"Category 30","probability":0.5}}]', '1.0.0', '1', {_DAY}, false, false, 0.5,
        CASE WHEN {_IS_MISMATCH} THEN 'mismatch' WHEN {_IS_UNSURE} THEN 'unsure' ELSE 'match' END FROM n"""  # noqa: S608
_STATEMENTS = (
    _PHOTOS,
    _ANSWERS,
    """INSERT INTO return_states (return_key, return_id, ordered, photos, matching, unsure, mismatches, repeats,
        unusable, refused, failed, final_decision, reason, decided_by, decided_at, first_seen, newest_photo_at,
        changed_at, flagged)
    SELECT 'r:' || return_id, return_id, ordered, photos, matching, unsure, mismatches, repeats, 0, 0, 0,
        CASE WHEN mismatches + repeats = 0 AND matching > 0 THEN 'cleared' ELSE 'open' END,
        CASE WHEN mismatches > 0 THEN 'mismatch' WHEN repeats > 0 THEN 'repeat' WHEN matching = 0 THEN 'unsure' END,
        CASE WHEN mismatches + repeats = 0 AND matching > 0 THEN 'model' END,
        CASE WHEN mismatches + repeats = 0 AND matching > 0 THEN seen END, first_seen, newest, newest, 0
    FROM (SELECT return_id, MAX(expected_category) AS ordered, COUNT(*) AS photos,
        SUM(CASE WHEN finding = 'match' THEN 1 ELSE 0 END) AS matching,
        SUM(CASE WHEN finding = 'unsure' THEN 1 ELSE 0 END) AS unsure,
        SUM(CASE WHEN finding = 'mismatch' THEN 1 ELSE 0 END) AS mismatches,
        SUM(CASE WHEN finding = 'repeat' THEN 1 ELSE 0 END) AS repeats,
        MAX(CASE WHEN finding = 'match' THEN decided_at END) AS seen,
        MIN(created_at) AS first_seen, MAX(created_at) AS newest FROM outcomes GROUP BY return_id) AS counted""",
    """INSERT INTO return_queue (return_key, kind, first_seen, asked, category, run_id)
    SELECT return_key, CASE WHEN mismatches > 0 THEN 0 WHEN repeats > 0 THEN 1 ELSE 2 END, first_seen, 0,
        (SELECT MAX(predicted_class) FROM outcomes
            WHERE photo_id IN (SELECT id FROM photos WHERE photos.return_id = return_states.return_id)
            AND finding IN ('mismatch', 'repeat', 'unsure')),
        (SELECT MAX(run_id) FROM predictions_history JOIN photos ON photos.id = photo_id
            WHERE photos.return_id = return_states.return_id)
    FROM return_states WHERE final_decision = 'open'""",
    """INSERT INTO review_queue (photo_id, prediction_id, place, predicted_class, by_itself)
    SELECT photo_id, photo_id, CASE finding WHEN 'mismatch' THEN 0.5 WHEN 'repeat' THEN 1.5 ELSE 2.5 END,
        predicted_class, false FROM outcomes WHERE finding IN ('mismatch', 'repeat', 'unsure')""",
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
    """Fill an empty database; return False if there is something in it.

    Two or three photos make a return. One return in 20 is a mismatch, one in 50 a repeat, and one photo in ten unsure.
    """
    database = Database(location)
    try:
        with database.reading() as connection:
            if connection.exec_driver_sql("SELECT 1 FROM photos LIMIT 1").first() is not None:
                return False
        with database.writing() as connection:
            for _ in range(_RUNS):
                run = runs.start_run(connection, "/inbox")
                runs.finish_run(connection, run, "finished", 0, Counts(), None)
        for statement in _STATEMENTS:
            with database.writing() as connection:
                connection.exec_driver_sql(statement.replace("ROWS", str(rows)))
        with database.writing() as connection:
            connection.exec_driver_sql("ANALYZE")
            print(f"{return_queue.count_waiting(connection, rows):,} returns wait")
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
