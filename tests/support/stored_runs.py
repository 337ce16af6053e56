"""Nights of made-up photos for the tests that purge and verify them."""

from sqlalchemy import Connection, func, insert, select

from results import derived, photos, returns, runs
from results.database import Database
from results.photos import Classified, Failed, PhotoKey
from results.purge import Purged, purge_older_than
from results.reviews import Kind, Verdict, store_verdict
from results.runs import Counts
from results.schema import photos as photos_table
from results.schema import predictions_history, reviews, run_failures
from results.schema import runs as runs_table

OLD, LIMIT = "2026-01-01T02:00:00.000Z", "2026-03-01T00:00:00.000Z"


def answer(filename: str, sha256: str, return_id: str = "") -> Classified:
    key = PhotoKey("/inbox", filename, sha256 * 32, return_id)
    top = [{"class": "Socks", "probability": 0.91}, {"class": "Belts", "probability": 0.05}]
    return Classified(key, 10, "Socks", 0.91, "accept", None, top, "1.0.0", "1")


def failure(filename: str, sha256: str = "", return_id: str = "") -> Failed:
    key = PhotoKey("/inbox", filename, sha256 * 32, return_id)
    return Failed(key, 5, "unsupported_format", "no photo", True)


def night(database: Database, *outcomes: Classified | Failed, known: int = 0) -> int:
    """Store a finished run of these outcomes."""
    failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
    with database.writing() as connection:
        run = runs.start_run(connection, "/inbox")
        for outcome in outcomes:
            photos.store(connection, run, outcome)
        counts = Counts(classified=len(outcomes) - failed, known=known, failed=failed)
        runs.finish_run(connection, run, "finished", 4 if failed else 0, counts, None)
    return run


def photo_id(connection: Connection, filename: str) -> int:
    return int(connection.execute(select(photos_table.c.id).where(photos_table.c.filename == filename)).scalar_one())


def make_old(database: Database, *filenames: str) -> None:
    with database.writing() as connection:
        named = select(photos_table.c.id).where(photos_table.c.filename.in_(filenames))
        numbers = list(connection.execute(named).scalars())
        assert len(numbers) == len(filenames)
        of_photos = predictions_history.c.photo_id.in_(numbers)
        connection.execute(predictions_history.update().where(of_photos).values(timestamp=OLD))
        connection.execute(photos_table.update().where(photos_table.c.id.in_(numbers)).values(created_at=OLD))
        returns.refresh(connection, numbers)


def review(database: Database, filename: str, undoes: int | None = None) -> int:
    with database.writing() as connection:
        number = photo_id(connection, filename)
        prediction = select(func.max(predictions_history.c.id)).where(predictions_history.c.photo_id == number)
        values = {"reviewer": "Ada", "verdict": "confirmed", "from_class": "Socks", "undoes": undoes}
        new = insert(reviews).values(
            photo_id=number, prediction_id=prediction.scalar_subquery(), created_at=OLD, **values
        )
        review_id = int(connection.execute(new.returning(reviews.c.id)).scalar_one())
        returns.refresh(connection, [number])
        return review_id


def judge(database: Database, filename: str, person: str, kind: Kind, to_class: str | None) -> int:
    """Store a verdict as the desk does, and return its id."""
    with database.writing() as connection:
        number = photo_id(connection, filename)
        prediction = select(func.max(predictions_history.c.id)).where(predictions_history.c.photo_id == number)
        verdict = Verdict(number, connection.execute(prediction).scalar_one(), kind, to_class)
        review_id = store_verdict(connection, person, verdict)
        derived.refresh(connection, [number])
    return review_id


def filenames(database: Database) -> list[str]:
    with database.reading() as connection:
        return sorted(connection.execute(select(photos_table.c.filename)).scalars())


def rows(database: Database) -> dict[str, int]:
    tables = {"predictions": predictions_history, "failures": run_failures, "reviews": reviews, "runs": runs_table}
    with database.reading() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in tables.items()
        }


def older(database: Database, moment: str = LIMIT, most: int | None = None) -> Purged:
    with database.writing() as connection:
        return purge_older_than(connection, moment, most)
