"""Verifying results, on real SQLite and real PostgreSQL."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from results import photos, runs
from results.database import Database
from results.purge import Purged, purge_return
from results.review_queue import refresh
from results.schema import predictions_history, review_queue, reviews, run_failures
from results.verify import Problem, verify
from tests.support.postgresql import PostgreSQL
from tests.support.stored_runs import answer, failure, filenames, make_old, night, older, photo_id, review, rows


def problems(database: Database) -> list[Problem]:
    with database.reading() as connection:
        return verify(connection)


def kinds(database: Database) -> list[str]:
    return sorted(problem.kind for problem in problems(database))


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
            number = photo_id(connection, "a.jpg")
        expected = Problem("accounting", f"run {other}: counted classified 1, but there are 0 predictions")
        # The older model's answer is still there, but the view shows no other than the newer one's.
        hidden = Problem("no_prediction", f"photo {number} (a.jpg) is classified, but there is no prediction")
        assert problems(database) == [expected, hidden]
        with database.writing() as connection:
            connection.execute(run_failures.update().values(is_new=False))
        lost = Problem("accounting", f"run {run}: counted failed 1, but there are 0 new failures")
        assert problems(database) == [lost, expected, hidden]

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

    def test_the_review_queue_against_what_it_is_drawn_from(self, database: Database) -> None:
        unsure = [replace(answer(f"{name}.jpg", name), decision="review") for name in ("aa", "bb", "cc", "ee")]
        night(database, *unsure, answer("dd.jpg", "dd"), answer("ff.jpg", "ee", "R-1"))
        assert problems(database) == []
        queue = review_queue.c
        with database.writing() as connection:
            a, b, c, d, e, f = (photo_id(connection, f"{name}.jpg") for name in ("aa", "bb", "cc", "dd", "ee", "ff"))
            of_another = {
                "prediction_id": connection.execute(select(queue.prediction_id).where(queue.photo_id == f)).scalar_one()
            }
            connection.execute(review_queue.delete().where(queue.photo_id == a))
            connection.execute(review_queue.update().where(queue.photo_id == b).values(place=0.5))
            connection.execute(review_queue.update().where(queue.photo_id == c).values(predicted_class="Belts"))
            connection.execute(review_queue.update().where(queue.photo_id == e).values(**of_another))
            values = {"photo_id": d, "place": 2.5, "predicted_class": "Socks", **of_another}
            connection.execute(review_queue.insert().values(**values))
        said = [f"photo {a} does not wait, but should"]
        said += [f"photo {number} waits, but not at its place" for number in (b, c, e)]
        assert problems(database) == [Problem("queue", text) for text in [*said, f"photo {d} waits, but should not"]]
        with database.writing() as connection:
            refresh(connection, [a, b, c, d, e, f])
        assert problems(database) == []

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
