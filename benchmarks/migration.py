"""How long the migration of a large SQLite database takes: ``python -m benchmarks.migration``.

The database is filled at an older schema version, and then migrated as the first program that opens it does.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import alembic.command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from benchmarks.services import ROOT

_BOUND_SECONDS = 120
_NIGHT = 20_000  # photos of a run
# A return has 2.5 photos. One photo in fifty repeats an earlier one, one in three waits for a person.
_FILL = (
    """
    INSERT INTO runs (id, started_at, finished_at, status, exit_code, source, found, classified, host, pid)
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :runs)
    SELECT n, '2026-01-01T00:00:00.000Z', '2026-01-01T01:00:00.000Z', 'finished', 0, '/inbox', :night, :night, 'h', 1
    FROM numbers
    """,
    """
    INSERT INTO photos (
        id, source, filename, sha256, return_id, bytes, status, expected_category, repeat_of, repeat_kind, created_at,
        model_version, contract_version
    )
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :photos)
    SELECT
        n, '/inbox', printf('day-%04d/%08d.jpg', n / 5000, n), lower(hex(randomblob(32))),
        printf('R-%07d', n * 2 / 5), 200000 + n % 1000, 'classified', 'Category ' || (n * 2 / 5 % 27),
        CASE WHEN n % 50 = 0 THEN n - 49 END, CASE WHEN n % 50 = 0 THEN 'near' END,
        printf('2026-01-01T%02d:%02d:00.000Z', n / 60 % 24, n % 60), '1.0.0', '1'
    FROM numbers
    """,
    """
    INSERT INTO predictions_history (
        id, photo_id, run_id, predicted_class, confidence, decision, reason, top3, model_version, contract_version,
        timestamp, reused, audit
    )
    SELECT
        id, id, (id - 1) / :night + 1, 'Category ' || (CASE WHEN id % 20 = 0 THEN id % 27 ELSE id * 2 / 5 % 27 END),
        0.5 + id % 50 / 100.0, CASE WHEN id % 3 = 0 THEN 'review' ELSE 'accept' END,
        CASE WHEN id % 3 = 0 THEN 'low_confidence' END,
        '[{"class":"Socks","probability":0.7},{"class":"Belts","probability":0.2},{"class":"Ties","probability":0.1}]',
        '1.0.0', '1', created_at, 0, id % 50 = 1
    FROM photos
    """,
    """
    INSERT INTO review_queue (photo_id, prediction_id, place, predicted_class)
    SELECT id, id, 2 + confidence, predicted_class FROM predictions_history WHERE id % 3 = 0
    """,
)


def main() -> None:
    """Fill a database at the older version, open it, and print how long each migration took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--start", default="0004", help="schema version to fill; 0004 is that of the first open desk")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="migration-") as folder:
        path = Path(folder) / "results.db"
        fill(path, chosen.predictions, chosen.start)
        print(f"{chosen.predictions:,} predictions at version {chosen.start}: {path.stat().st_size / 1e6:.0f} MB")
        walls, processors = 0.0, 0.0
        for version, wall, processor in migrate(path, chosen.start):
            print(f"  {version}: {wall:.1f} s, {processor:.1f} s of the processor")
            walls, processors = walls + wall, processors + processor
        load = os.getloadavg()[0]
        print(
            f"together {walls:.1f} s, bound {_BOUND_SECONDS} s; {processors:.1f} s of the processor; "
            f"{os.cpu_count()} cores, load average {load:.1f}"
        )


def fill(path: Path, predictions: int, version: str) -> None:
    """Write a SQLite database of an older schema version.

    Args:
        path: of the file; it must not exist.
        predictions: one for each photo.
        version: of the schema, 0004 or 0005.
    """
    values = {"photos": predictions, "night": _NIGHT, "runs": -(-predictions // _NIGHT)}
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        alembic.command.upgrade(_config(connection), version)
        for statement in _FILL:
            connection.exec_driver_sql(statement, values)
    engine.dispose()


def migrate(path: Path, start: str) -> list[tuple[str, float, float]]:
    """Migrate to the newest version one step after another.

    Returns:
        Each version with its seconds, and with those in which the processor worked for it: on a machine that does other
        work the first are longer.
    """
    engine = create_engine(f"sqlite:///{path}")
    steps: list[tuple[str, float, float]] = []
    with engine.connect() as connection:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):  # as results.database sets them
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        script = ScriptDirectory.from_config(_config(connection))
        connection.rollback()
        versions = [revision.revision for revision in script.iterate_revisions("head", start)]
        for version in reversed(versions):
            began, worked = time.perf_counter(), time.process_time()
            with connection.begin():
                alembic.command.upgrade(_config(connection), version)
            steps.append((version, time.perf_counter() - began, time.process_time() - worked))
    engine.dispose()
    return steps


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "results" / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


if __name__ == "__main__":
    main()
