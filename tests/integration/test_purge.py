"""Purging results, on real SQLite and real PostgreSQL."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from results import runs
from results.database import Database
from results.fingerprints import Fingerprint
from results.purge import Purged, purge_older_than, purge_return, unreferenced
from results.retention import parse_age
from results.schema import photos as photos_table
from results.schema import reviews
from results.verify import verify
from tests.support.review_queue import waiting
from tests.support.stored_runs import OLD, answer, failure, filenames, make_old, night, older, photo_id, review, rows


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

    def test_what_was_said_of_the_manifest_goes_with_the_photos_it_may_name(self, database: Database) -> None:
        run, other = night(database, answer("a.jpg", "aa", return_id="R-1")), night(database, answer("b.jpg", "bb"))
        for number in (run, other):
            with database.writing() as connection:
                runs.store_notes(connection, number, [("manifest", "'a.jpg' of R-1"), ("ignored", "1 @eaDir")])
        with database.writing() as connection:
            purge_return(connection, "R-1")
        with database.reading() as connection:
            kinds = [[note["kind"] for note in runs.notes_of_run(connection, number)] for number in (run, other)]
        assert kinds == [["ignored"], ["manifest", "ignored"]]

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
        with pytest.raises(ValueError, match=r"isoformat|time zone"):
            older(database, moment)
        assert filenames(database) == ["a.jpg"]

    def test_repeats_outlive_the_photo_and_keep_its_picture(self, database: Database) -> None:
        night(database, answer("first.jpg", "aa"), answer("again.jpg", "aa"), answer("third.jpg", "aa"))
        assert waiting(database) == ["again.jpg", "third.jpg"]
        make_old(database, "first.jpg")
        assert older(database) == Purged(1, 1, 0, ())
        with database.reading() as connection:
            again = photo_id(connection, "again.jpg")
            rows = connection.execute(select(photos_table.c.repeat_of, photos_table.c.repeat_kind)).all()
        assert set(rows) == {(None, None), (again, "exact")}  # two are left, which may still back two refunds
        assert waiting(database) == ["third.jpg"]
        with database.reading() as connection:
            assert verify(connection) == []
        make_old(database, "again.jpg", "third.jpg")
        assert older(database) == Purged(2, 2, 0, ("aa" * 32,))

    def test_a_near_repeat_outlives_the_photo_and_is_compared_again(self, database: Database) -> None:
        """Four files of one picture in three returns; the two of one return do not repeat each other."""
        seen = Fingerprint(1 << 63, bytes(range(192)))
        returns = {"first.jpg": "R-1", "again.jpg": "R-2", "twin.jpg": "R-2", "third.jpg": "R-3"}
        for place, (name, return_id) in enumerate(returns.items(), start=16):
            night(database, replace(answer(name, f"{place}", return_id), fingerprint=seen))
        assert waiting(database) == ["again.jpg", "twin.jpg", "third.jpg"]
        with database.writing() as connection:
            assert purge_return(connection, "R-1").photos == 1
        assert waiting(database) == ["third.jpg"]
        with database.reading() as connection:
            again, third = photo_id(connection, "again.jpg"), photo_id(connection, "third.jpg")
            pointing = select(photos_table.c.id, photos_table.c.repeat_of, photos_table.c.repeat_kind)
            rows = connection.execute(pointing.where(photos_table.c.repeat_of.is_not(None))).all()
            assert rows == [(third, again, "near")]
            assert verify(connection) == []

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
            assert [purge_return(connection, "R-2", most=1).photos for _ in range(2)] == [1, 0]
            with pytest.raises(ValueError, match="empty"):
                purge_return(connection, "")
        assert filenames(database) == ["d.jpg"]

    def test_unreadable_files_have_no_picture_to_remove(self, database: Database) -> None:
        night(database, failure("locked.jpg", ""))
        make_old(database, "locked.jpg")
        assert older(database) == Purged(1, 0, 0, ())

    def test_many_go_in_groups_and_as_many_at_a_time_as_wanted(self, database: Database) -> None:
        names = [f"{number:04}.jpg" for number in range(753)]
        night(database, *(answer(name, f"{number % 200:02x}") for number, name in enumerate(names)))
        make_old(database, *names[3:])
        parts = [older(database, most=550), older(database, most=550)]
        assert [part.photos for part in parts] == [550, 200]
        total = parts[0].plus(parts[1])
        assert (total.photos, total.predictions) == (750, 750)
        assert len(total.sha256s) == len(set(total.sha256s))
        assert filenames(database) == names[:3]
        with database.reading() as connection:
            left = set(connection.execute(select(photos_table.c.sha256)).scalars())
        assert left.isdisjoint(total.sha256s)
        assert len(total.sha256s) + len(left) == 200

    def test_an_error_afterwards_brings_everything_back(self, database: Database) -> None:
        night(database, answer("a.jpg", "aa"))
        with pytest.raises(OSError, match="cannot be removed"), database.writing() as connection:
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
