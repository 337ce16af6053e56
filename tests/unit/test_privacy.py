"""Purging and verifying results, on real SQLite and real PostgreSQL."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, text

from results import photos, runs
from results.database import Database
from results.photos import Classified, Failed, PhotoKey
from results.purge import Purged, parse_age, purge_older_than, purge_return, unreferenced
from results.runs import Counts
from results.schema import photos as photos_table
from results.schema import predictions_history, reviews, run_failures
from results.schema import runs as runs_table
from results.verify import Problem, verify
from tests.postgresql import PostgreSQL

OLD, LIMIT = "2026-01-01T02:00:00.000Z", "2026-03-01T00:00:00.000Z"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = Database(str(tmp_path / "results.db"))
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        opened = Database(server.new_database())
    yield opened
    opened.close()


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
    return connection.execute(select(photos_table.c.id).where(photos_table.c.filename == filename)).scalar_one()


def make_old(database: Database, *filenames: str) -> None:
    with database.writing() as connection:
        for name in filenames:
            number = photo_id(connection, name)
            of_photo = predictions_history.c.photo_id == number
            connection.execute(predictions_history.update().where(of_photo).values(timestamp=OLD))
            connection.execute(photos_table.update().where(photos_table.c.id == number).values(created_at=OLD))


def review(database: Database, filename: str, undoes: int | None = None) -> int:
    with database.writing() as connection:
        number = photo_id(connection, filename)
        prediction = select(func.max(predictions_history.c.id)).where(predictions_history.c.photo_id == number)
        values = {"reviewer": "Ada", "verdict": "confirmed", "from_class": "Socks", "undoes": undoes}
        new = insert(reviews).values(
            photo_id=number, prediction_id=prediction.scalar_subquery(), created_at=OLD, **values
        )
        return connection.execute(new.returning(reviews.c.id)).scalar_one()


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


def problems(database: Database) -> list[Problem]:
    with database.reading() as connection:
        return verify(connection)


def kinds(database: Database) -> list[str]:
    return sorted(problem.kind for problem in problems(database))


class TestAge:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [("36h", timedelta(hours=36)), ("90d", timedelta(days=90)), (" 12w ", timedelta(weeks=12))],
    )
    def test_hours_days_and_weeks(self, written: str, meant: timedelta) -> None:
        assert parse_age(written) == meant

    @pytest.mark.parametrize(
        "written", ["", "90", "d", "6m", "1y", "-3d", "0d", "1.5d", "9d9h", "999999w", "٣d", "9" * 99]
    )
    def test_anything_else_is_explained(self, written: str) -> None:
        with pytest.raises(ValueError, match="90d"):
            parse_age(written)


class TestPurge:
    def test_old_photos_go_with_all_that_hangs_on_them(self, database: Database) -> None:
        run = night(database, answer("old.jpg", "aa"), answer("new.jpg", "bb"), failure("old.txt", "cc"))
        night(database, replace(answer("old.jpg", "aa"), model_version="2.0.0"))
        first = review(database, "old.jpg")
        review(database, "old.jpg", undoes=first)
        kept = review(database, "new.jpg")
        make_old(database, "old.jpg", "old.txt")
        assert older(database) == Purged(2, 2, 2, ("aa" * 32, "cc" * 32))
        assert filenames(database) == ["new.jpg"]
        assert rows(database) == {"predictions": 1, "failures": 0, "reviews": 1, "runs": 2}
        with database.reading() as connection:
            assert connection.execute(select(reviews.c.id)).scalars().all() == [kept]
            found = runs.find_run(connection, run)
        assert found is not None
        assert (found["found"], found["classified"], found["failed"]) == (3, 2, 1)  # counts are history
        assert older(database) == Purged()

    def test_the_newest_prediction_decides(self, database: Database) -> None:
        night(database, answer("a.jpg", "aa"))
        make_old(database, "a.jpg")
        night(database, replace(answer("a.jpg", "aa"), model_version="2.0.0"))
        assert older(database) == Purged()

    def test_a_photo_as_old_as_the_limit_stays(self, database: Database) -> None:
        night(database, answer("a.jpg", "aa"), failure("b.txt", "bb"))
        make_old(database, "a.jpg", "b.txt")
        assert older(database, OLD) == Purged()
        assert older(database, "2026-01-01T03:00:00+01:00") == Purged()  # the same moment
        assert older(database, "2026-01-01T03:00:00.001+01:00").photos == 2

    @pytest.mark.parametrize("moment", ["yesterday", "2026-01-01T02:00:00", ""])
    def test_a_moment_that_cannot_be_read_purges_nothing(self, database: Database, moment: str) -> None:
        night(database, answer("a.jpg", "aa"))
        with pytest.raises(ValueError):
            older(database, moment)
        assert filenames(database) == ["a.jpg"]

    def test_repeats_outlive_the_photo_and_keep_its_picture(self, database: Database) -> None:
        night(database, answer("first.jpg", "aa"), answer("again.jpg", "aa"), answer("third.jpg", "aa"))
        make_old(database, "first.jpg")
        assert older(database) == Purged(1, 1, 0, ())
        with database.reading() as connection:
            assert connection.execute(select(photos_table.c.repeat_of)).scalars().all() == [None, None]
        make_old(database, "again.jpg", "third.jpg")
        assert older(database) == Purged(2, 2, 0, ("aa" * 32,))

    def test_a_review_that_undid_a_purged_one_stays(self, database: Database) -> None:
        night(database, answer("old.jpg", "aa"), answer("new.jpg", "bb"))
        gone = review(database, "old.jpg")
        review(database, "new.jpg", undoes=gone)
        make_old(database, "old.jpg")
        assert older(database).reviews == 1
        with database.reading() as connection:
            assert connection.execute(select(reviews.c.undoes)).scalars().all() == [None]

    def test_one_return_goes_wherever_its_photos_came_from(self, database: Database) -> None:
        night(database, answer("a.jpg", "aa", "R-1"), failure("b.txt", "bb", "R-1"), answer("c.jpg", "aa", "R-2"))
        night(database, answer("d.jpg", "dd"))
        review(database, "a.jpg")
        with database.writing() as connection:
            assert purge_return(connection, "R-1") == Purged(2, 1, 1, ("bb" * 32,))
            assert purge_return(connection, "R-1") == Purged()
            assert purge_return(connection, "%") == Purged()
            with pytest.raises(ValueError, match="empty"):
                purge_return(connection, "")
        assert filenames(database) == ["c.jpg", "d.jpg"]

    def test_unreadable_files_have_no_picture_to_remove(self, database: Database) -> None:
        night(database, failure("locked.jpg", ""))
        make_old(database, "locked.jpg")
        assert older(database) == Purged(1, 0, 0, ())

    def test_many_go_in_groups_and_as_many_at_a_time_as_wanted(self, database: Database) -> None:
        names = [f"{number:04}.jpg" for number in range(1203)]
        night(database, *(answer(name, f"{number % 200:02x}") for number, name in enumerate(names)))
        make_old(database, *names[3:])
        parts = [older(database, most=700), older(database, most=700)]
        assert [part.photos for part in parts] == [700, 500]
        total = parts[0].plus(parts[1])
        assert (total.photos, total.predictions) == (1200, 1200)
        assert len(total.sha256s) == len(set(total.sha256s))
        assert filenames(database) == names[:3]
        with database.reading() as connection:
            left = set(connection.execute(select(photos_table.c.sha256)).scalars())
        assert left.isdisjoint(total.sha256s)
        assert len(total.sha256s) + len(left) == 200

    def test_an_error_afterwards_brings_everything_back(self, database: Database) -> None:
        night(database, answer("a.jpg", "aa"))
        with pytest.raises(OSError), database.writing() as connection:
            assert purge_older_than(connection, "2999-01-01T00:00:00Z").photos == 1
            raise OSError("its picture cannot be removed")
        assert filenames(database) == ["a.jpg"]

    def test_unreferenced_tells_which_pictures_nobody_names(self, database: Database) -> None:
        night(database, answer("a.jpg", "aa"))
        with database.reading() as connection:
            assert unreferenced(connection, ["ff" * 32, "aa" * 32, "ee" * 32]) == ["ee" * 32, "ff" * 32]
            assert unreferenced(connection, []) == []

    def test_purged_words_are_not_left_in_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "results.db"
        database = Database(str(path))
        night(database, answer("kept.jpg", "bb"), *(answer(f"jane-doe-{n}.jpg", "aa", "R-1") for n in range(300)))
        database.close()
        assert b"jane-doe" in path.read_bytes()
        database = Database(str(path))
        with database.writing() as connection:
            assert purge_return(connection, "R-1").photos == 300
        database.close()
        assert b"jane-doe" not in path.read_bytes()
        assert b"kept.jpg" in path.read_bytes()
        assert not path.with_name("results.db-wal").exists()


class TestVerify:
    def test_sound_results_have_no_problems(self, database: Database) -> None:
        assert problems(database) == []
        night(database, answer("a.jpg", "aa"), answer("b.jpg", "aa"), failure("c.txt", "cc"))
        night(database, replace(answer("a.jpg", "aa"), model_version="2.0.0"), known=1)
        review(database, "a.jpg")
        with database.writing() as connection:
            runs.start_run(connection, "/inbox")
        assert problems(database) == []

    def test_purged_rows_are_not_lost_rows(self, database: Database) -> None:
        for model in ("1.0.0", "2.0.0"):
            first = replace(answer("a.jpg", "aa"), model_version=model)
            night(database, first, answer(f"{model}.jpg", "bb", "R-1"), failure(f"{model}.txt", "cc", "R-1"))
        with database.writing() as connection:
            purge_return(connection, "R-1")
        assert problems(database) == []
        make_old(database, "a.jpg")
        older(database)
        assert rows(database) == {"predictions": 0, "failures": 0, "reviews": 0, "runs": 2}
        assert problems(database) == []

    def test_a_lost_prediction_is_told(self, database: Database) -> None:
        run = night(database, answer("a.jpg", "aa"), answer("b.jpg", "bb"), failure("c.txt", "cc"))
        other = night(database, replace(answer("a.jpg", "aa"), model_version="2.0.0"))
        make_old(database, "b.jpg")
        older(database)
        with database.writing() as connection:
            connection.execute(predictions_history.delete().where(predictions_history.c.run_id == other))
        expected = Problem("accounting", f"run {other}: counted classified 1, but there are 0 predictions")
        assert problems(database) == [expected]
        with database.writing() as connection:
            connection.execute(run_failures.update().values(is_new=False))
        lost = Problem("accounting", f"run {run}: counted failed 1, but there are 0 new failures")
        assert problems(database) == [lost, expected]

    def test_more_rows_than_counted_are_always_told(self, database: Database) -> None:
        run = night(database, answer("a.jpg", "aa"), failure("c.txt", "cc"))
        with database.writing() as connection:
            photos.store(connection, run, answer("b.jpg", "bb"))
            photos.store(connection, run, failure("d.txt", "dd"))
        assert [problem.message for problem in problems(database)] == [
            f"run {run}: counted classified 1, but there are 2 predictions",
            f"run {run}: counted failed 1, but there are 2 new failures",
        ]

    def test_purges_do_not_hide_what_is_lost(self, database: Database) -> None:
        run = night(database, answer("a.jpg", "aa"), answer("b.jpg", "bb"), answer("c.jpg", "cc"))
        make_old(database, "a.jpg")
        older(database)
        with database.writing() as connection:
            number = photo_id(connection, "b.jpg")
            connection.execute(predictions_history.delete().where(predictions_history.c.photo_id == number))
        found = problems(database)
        assert Problem("no_prediction", f"photo {number} (b.jpg) is classified, but there is no prediction") in found
        counted = f"run {run}: counted classified 3 of which 1 were purged, but there are 1 predictions"
        assert Problem("accounting", counted) in found


class TestContradictions:
    def test_sums_that_do_not_add_up(self, database: Database) -> None:
        run = night(database, answer("a.jpg", "aa"))
        if database.engine.dialect.name == "sqlite":
            raw = sqlite3.connect(str(database.engine.url.database))
            raw.execute("PRAGMA ignore_check_constraints=ON")
            raw.execute("UPDATE runs SET found = 5")
            raw.commit()
            raw.close()
            assert "integrity" in kinds(database)  # SQLite's own check finds it, too
            return
        with database.writing() as connection:
            connection.execute(text("ALTER TABLE runs DROP CONSTRAINT ck_runs_accounting"))
            connection.execute(text("UPDATE runs SET found = 5"))
        assert problems(database) == [Problem("accounting", f"run {run}: found 5 is not 1 + 0 + 0 + 0")]

    def test_a_failure_without_a_reason(self, database: Database) -> None:
        night(database, failure("a.txt", "aa"), failure("b.txt", "bb"), failure("c.txt", "cc"))
        with database.writing() as connection:
            a, b, c = (photo_id(connection, name) for name in ("a.txt", "b.txt", "c.txt"))
            connection.execute(text(f"UPDATE photos SET error_code = NULL, error_message = '' WHERE id = {a}"))
            connection.execute(text(f"UPDATE photos SET error_code = NULL WHERE id = {b}"))  # the message says it
        assert problems(database) == [
            Problem("no_reason", f"photo {a} (a.txt) failed, but neither code nor message says why")
        ]
        with database.writing() as connection:
            connection.execute(run_failures.delete().where(run_failures.c.photo_id == c))
        messages = [problem.message for problem in problems(database) if problem.kind == "no_reason"]
        assert messages[1:] == [f"photo {c} (c.txt) failed, but no run lists it among its failures"]

    @pytest.mark.parametrize(
        "top3",
        [
            "no JSON",
            "[]",
            "{}",
            "7",
            "null",
            '["Socks"]',
            '[{"class":"Socks"}]',
            '[{"class":"Socks","probability":null}]',
            '[{"class":"Belts","probability":0.91}]',
            '[{"class":"Socks","probability":0.5}]',
            '[{"class":"Socks","probability":NaN}]',
        ],
    )
    def test_top3_that_says_something_else(self, database: Database, top3: str) -> None:
        night(database, answer("a.jpg", "aa"), answer("b.jpg", "bb"))
        with database.writing() as connection:
            number = connection.execute(select(func.max(predictions_history.c.id))).scalar_one()
            of_b = predictions_history.c.id == number
            connection.execute(predictions_history.update().where(of_b).values(top3=top3))
        found = problems(database)
        assert [problem.kind for problem in found] == ["top3"]
        assert found[0].message.startswith(f"prediction {number}: ")

    def test_a_review_of_one_photo_with_the_prediction_of_another(self, database: Database) -> None:
        night(database, answer("a.jpg", "aa"), answer("b.jpg", "bb"))
        number = review(database, "a.jpg")
        with database.writing() as connection:
            connection.execute(reviews.update().values(photo_id=photo_id(connection, "b.jpg")))
        found = problems(database)
        assert [problem.kind for problem in found] == ["orphan"]
        assert found[0].message.startswith(f"review {number} ")
        make_old(database, "a.jpg")
        assert older(database) == Purged(1, 1, 1, ("aa" * 32,))  # it does not stand in the way

    def test_rows_without_their_owner(self, database: Database) -> None:
        night(database, answer("a.jpg", "aa"), answer("b.jpg", "bb"))
        if database.engine.dialect.name == "sqlite":
            raw = sqlite3.connect(str(database.engine.url.database))
            raw.execute("DELETE FROM photos WHERE filename = 'a.jpg'")  # foreign keys are off unless asked for
            raw.commit()
            raw.close()
        else:
            with database.writing() as connection:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
                connection.execute(text("DELETE FROM photos WHERE filename = 'a.jpg'"))
        found = problems(database)
        assert [problem.kind for problem in found] == ["orphan"]
        assert "predictions_history" in found[0].message
        assert "photos" in found[0].message

    def test_a_long_list_is_cut_and_says_so(self, database: Database) -> None:
        night(database, *(answer(f"{number}.jpg", f"{number:02x}") for number in range(150)))
        with database.writing() as connection:
            connection.execute(predictions_history.update().values(top3="broken"))
        found = problems(database)
        assert len(found) == 101
        assert "more than 100" in found[-1].message
        assert filenames(database)  # the connection is fit for more


class TestDamage:
    def test_a_damaged_sqlite_file(self, tmp_path: Path) -> None:
        path = tmp_path / "results.db"
        database = Database(str(path))
        night(database, *(answer(f"{number}.jpg", f"{number % 256:02x}") for number in range(400)))
        database.close()
        database = Database(str(path))
        assert problems(database) == []
        database.close()
        content = bytearray(path.read_bytes())
        page = content.rfind(b".jpg") // 4096
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
        path.write_bytes(content)
        database = Database(str(path))
        found = problems(database)
        database.close()
        assert {problem.kind for problem in found} == {"integrity"}

    def test_what_postgresql_knows_to_be_unsound(self, postgresql: PostgreSQL) -> None:
        database = Database(postgresql.new_database())
        with database.writing() as connection:
            connection.execute(
                text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_photos_sha256'::regclass")
            )
            connection.execute(text("ALTER TABLE photos ADD CONSTRAINT many CHECK (bytes > 0) NOT VALID"))
        assert problems(database) == [
            Problem("integrity", "PostgreSQL: index ix_photos_sha256 is invalid; REINDEX it"),
            Problem("integrity", "PostgreSQL: constraint many was never validated"),
        ]
        database.close()
