"""The results on real SQLite and real PostgreSQL."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import alembic.command
import pytest
from alembic.config import Config
from sqlalchemy import Connection, inspect, select, text

from results import database as database_module
from results import known_photos, photos, reporting, runs
from results.database import Database, ResultsError, to_url
from results.orders import NO_ORDER
from results.photos import Classified, Failed, PhotoKey
from results.runs import Counts
from results.schema import metadata, predictions_history, review_queue
from results.schema import photos as photos_table
from results.verify import verify
from results.views import PREDICTION_COLUMNS, predictions

KEY = PhotoKey("/inbox", "a.jpg", "ab" * 32)
ANSWER = Classified(KEY, 10, "Socks", 0.91, "accept", None, [{"class": "Socks", "probability": 0.91}], "1.0.0", "1")
REFUSED = Failed(replace(KEY, filename="b.jpg", sha256="cd" * 32), 5, "unsupported_format", "no photo", True)


def start(database: Database) -> int:
    with database.writing() as connection:
        return runs.start_run(connection, "/inbox")


def test_migrations_make_what_the_schema_module_says(database: Database) -> None:
    inspector = inspect(database.engine)
    for table in metadata.sorted_tables:
        columns = {column["name"]: column for column in inspector.get_columns(table.name)}
        assert columns.keys() == set(table.columns.keys()), table.name
        for column in table.columns:
            if not column.primary_key:
                assert columns[column.name]["nullable"] == column.nullable, f"{table.name}.{column.name}"
        assert {i["name"] for i in inspector.get_indexes(table.name) if not i.get("duplicates_constraint")} == {
            i.name for i in table.indexes
        }
    with database.reading() as connection:
        assert tuple(connection.execute(text("SELECT * FROM predictions")).keys()) == PREDICTION_COLUMNS
    Database(database.engine.url.render_as_string(hide_password=False)).close()  # opening again migrates nothing


def test_view_shows_the_newest_prediction(database: Database) -> None:
    first, second = start(database), start(database)
    with database.writing() as connection:
        photos.store(connection, first, ANSWER)
        photos.store(connection, second, replace(ANSWER, predicted_class="Belts", model_version="2.0.0"))
    with database.reading() as connection:
        rows = connection.execute(select(predictions)).mappings().all()
        history = connection.execute(select(predictions_history)).all()
    assert [(row["predicted_class"], row["model_version"], row["run_id"]) for row in rows] == [
        ("Belts", "2.0.0", second)
    ]
    assert len(history) == 2
    row = rows[0]
    assert (row["return_id"], row["expected_category"], row["mismatch"], row["repeat_of"]) == (None,) * 4
    assert json.loads(row["top3"]) == ANSWER.top3
    assert row["timestamp"].endswith("Z")
    assert "T" in row["timestamp"]


def test_storing_twice_changes_nothing(database: Database) -> None:
    run = start(database)
    for _ in range(2):
        with database.writing() as connection:
            photos.store(connection, run, ANSWER)
            photos.store(connection, run, REFUSED)
    with database.reading() as connection:
        assert len(connection.execute(select(predictions_history)).all()) == 1
        assert reporting.failures_by_name(connection, run) == [
            {"filename": "b.jpg", "code": "unsupported_format", "message": "no photo", "is_new": True}
        ]


def test_known_means_this_file_this_content_this_model(database: Database) -> None:
    run = start(database)
    with database.writing() as connection:
        photos.store(connection, run, ANSWER)
        photos.store(connection, run, REFUSED)
        photos.store(connection, run, replace(REFUSED, photo=replace(KEY, filename="c.jpg"), photo_fault=False))
    others = [
        replace(KEY, sha256="00" * 32),
        replace(KEY, filename="elsewhere.jpg"),
        replace(KEY, return_id="R-1"),
        replace(KEY, filename="c.jpg"),
    ]
    with database.reading() as connection:
        known = known_photos.find_known(connection, [KEY, REFUSED.photo, *others], "1.0.0", "1")
        assert {key: entry.status for key, entry in known.items()} == {KEY: "classified", REFUSED.photo: "failed"}
        assert known_photos.find_known(connection, [KEY], "2.0.0", "1") == {}
        assert known_photos.find_known(connection, [KEY], "1.0.0", "2") == {}
        assert known_photos.find_known(connection, [replace(KEY, source="/other")], "1.0.0", "1") == {}
        assert known_photos.find_known(connection, [], "1.0.0", "1") == {}


def test_a_photo_that_recovers_stays_among_the_failures_of_its_night(database: Database) -> None:
    night, run = start(database), start(database)
    with database.writing() as connection:
        photos.store(connection, night, replace(REFUSED, photo=KEY, photo_fault=False))
        photos.store(connection, run, ANSWER)
        assert len(reporting.failures_by_name(connection, night)) == 1
        assert reporting.failures_by_name(connection, run) == []
        assert reporting.classes_of_run(connection, run) == [{"predicted_class": "Socks", "accept": 1, "review": 0}]


def test_mismatch_is_told_by_the_expected_category(database: Database) -> None:
    run = start(database)
    with database.writing() as connection:
        photos.store(connection, run, ANSWER)
        for expected, mismatch in (("Socks", 0), ("Belts", 1)):
            connection.execute(text("UPDATE photos SET expected_category = :e"), {"e": expected})
            assert connection.execute(select(predictions.c.mismatch)).scalar_one() == mismatch


def test_accounting_is_kept_by_the_database_itself(database: Database) -> None:
    run = start(database)
    with pytest.raises(ResultsError, match="accounting"), database.writing() as connection:
        connection.execute(text("UPDATE runs SET found = 3 WHERE id = :run"), {"run": run})
    with database.writing() as connection:
        runs.finish_run(connection, run, "finished", 0, Counts(classified=2, known=1), None)
        row = runs.find_run(connection, run)
    assert row is not None
    assert (row["found"], row["classified"], row["known"], row["status"]) == (3, 2, 1, "finished")


def test_what_was_stored_before_the_second_migration_is_kept(database: Database) -> None:
    """Filled by hand at the first schema, then opened as every program opens it."""
    url = database.engine.url.render_as_string(hide_password=False)
    top3 = '[{"class":"Socks","probability":0.9}]'
    with database.writing() as connection:
        migrate_back(connection, "0001")
        for _ in range(2):
            connection.exec_driver_sql(
                "INSERT INTO runs (started_at, finished_at, status, source, host, pid, found, classified) "
                "VALUES ('', '', 'finished', 's', 'h', 1, 0, 0)"
            )
        for number, repeat_of in ((1, "NULL"), (2, "1")):
            connection.exec_driver_sql(
                "INSERT INTO photos (source, filename, sha256, bytes, status, repeat_of, created_at) "
                f"VALUES ('s', '{number}.jpg', 'ab', 1, 'classified', {repeat_of}, '')"
            )
        for photo, run, model in ((1, 1, "1.0.0"), (1, 2, "2.0.0"), (2, 1, "1.0.0")):
            connection.exec_driver_sql(
                "INSERT INTO predictions_history (photo_id, run_id, predicted_class, confidence, decision, top3, "
                "model_version, contract_version, timestamp) "
                f"VALUES ({photo}, {run}, 'Socks', 0.9, 'accept', '{top3}', '{model}', '1', '')"
            )
        connection.exec_driver_sql("UPDATE runs SET found = 3 - id, classified = 3 - id")
    reopened = Database(url)
    with reopened.reading() as connection:
        columns = ("filename", "model_version", "repeat_of", "repeat_kind", "reused")
        rows = connection.execute(select(*(predictions.c[name] for name in columns)).order_by(predictions.c.filename))
        assert [tuple(row) for row in rows] == [("1.jpg", "2.0.0", None, None, 0), ("2.jpg", "1.0.0", 1, "exact", 0)]
        assert verify(connection) == []
    reopened.close()


def test_spot_checks_from_before_the_fourth_migration_are_kept(database: Database) -> None:
    """Stored by the program, taken back to the third schema, and opened as every program opens it."""
    url = database.engine.url.render_as_string(hide_password=False)
    names = ("drawn", "drawn before", "drawn of a model that was withdrawn", "not drawn")
    answers = [replace(ANSWER, photo=PhotoKey("/inbox", name, f"{n}" * 64)) for n, name in enumerate(names)]
    first, second, third = (start(database) for _ in range(3))
    with database.writing() as connection:
        photos.store(connection, first, *(replace(one, audit=one.photo.filename == names[1]) for one in answers))
        newer = [replace(one, model_version="2", audit=one.photo.filename in (names[0], names[2])) for one in answers]
        photos.store(connection, second, *newer)
        (known,) = known_photos.find_known(connection, [answers[2].photo], "1.0.0", "1").values()
        known_photos.store_known(connection, third, known, NO_ORDER)
    draws = (
        select(photos_table.c.filename, predictions_history.c.run_id, predictions_history.c.audit)
        .join(photos_table, photos_table.c.id == predictions_history.c.photo_id)
        .order_by(predictions_history.c.id)
    )
    waiting = select(review_queue.c.photo_id)
    with database.writing() as connection:
        before = [tuple(row) for row in connection.execute(draws)]
        assert connection.execute(waiting).scalars().all() == [1]
        migrate_back(connection, "0003")
        assert connection.exec_driver_sql("SELECT id FROM photos WHERE audit").scalars().all() == [1]
        # As the third schema has it: the newest draw counts, whichever answer is shown.
        connection.exec_driver_sql("UPDATE photos SET audit = TRUE WHERE id = 3")
        connection.exec_driver_sql(
            "INSERT INTO review_queue (photo_id, prediction_id, place, predicted_class) VALUES (3, 3, 2.91, 'Socks')"
        )
    reopened = Database(url)
    with reopened.reading() as connection:
        lost = (names[1], first, True)
        expected = [(*row[:2], False) if row == lost else row for row in before]
        assert lost in before
        assert [tuple(row) for row in connection.execute(draws)] == expected
        assert connection.execute(waiting).scalars().all() == [1]
        assert [problem for problem in verify(connection) if problem.kind == "queue"] == []
    reopened.close()


def migrate_back(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database_module.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    alembic.command.downgrade(config, revision)


def test_a_failed_transaction_stores_nothing(database: Database) -> None:
    run = start(database)
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        photos.store(connection, run, ANSWER)
        raise ZeroDivisionError
    with database.reading() as connection:
        assert connection.execute(select(predictions)).all() == []


def test_interrupted_runs_are_closed(database: Database) -> None:
    killed = start(database)
    with database.writing() as connection:
        assert runs.close_interrupted(connection) == [killed]
        assert runs.close_interrupted(connection) == []
        assert runs.list_runs(connection, 5)[0]["status"] == "interrupted"


@pytest.mark.parametrize(
    ("shard", "alive"), [("", set()), ("0/2", {"1/2"}), ("1/2", {"0/2"}), ("1/3", {"0/3"}), ("0/12", set())]
)
def test_what_nobody_can_be_working_on_is_closed(database: Database, shard: str, alive: set[str]) -> None:
    with database.writing() as connection:
        started = {runs.start_run(connection, "/inbox", name): name for name in ("", "0/2", "1/2", "0/3")}
        closed = runs.close_interrupted(connection, shard)
    assert {name for number, name in started.items() if number not in closed} == alive


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_those_that_open_at_once_all_succeed(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    location = str(tmp_path / "new.db")
    if kind == "postgresql":
        location = request.getfixturevalue("postgresql").new_database()
    with ThreadPoolExecutor(4) as pool:
        for opened in pool.map(Database, [location] * 4):
            opened.close()


def test_sqlite_survives_a_power_cut_and_lets_others_read_meanwhile(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "results.db"))
    with database.reading() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    with database.writing() as connection:
        runs.start_run(connection, "/inbox")
        reader = sqlite3.connect(tmp_path / "results.db")
        assert reader.execute("SELECT count(*) FROM runs").fetchone() == (0,)
        reader.close()
    database.close()


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, whatever its name says")
    for location in (str(tmp_path / "text.db"), "postgresql+psycopg://nobody@127.0.0.1:9/none"):
        with pytest.raises(ResultsError, match=location.split("@")[-1].split("/")[0] if "@" in location else "text.db"):
            Database(location)


def test_a_value_without_scheme_is_a_path(tmp_path: Path) -> None:
    assert to_url(f"{tmp_path}/data/odd?name.db").database == f"{tmp_path}/data/odd?name.db"
    assert to_url("postgresql+psycopg://h/d").host == "h"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://somebody:secret@127.0.0.1:9/results",
        "postgresql+psycopg://127.0.0.1:9/results?password=secret",
        "postgresql+psycopg://somebody:secret@127.0.0.1:port/results",
    ],
)
def test_passwords_are_not_shown(url: str) -> None:
    with pytest.raises(ResultsError) as caught:
        Database(url)
    assert "secret" not in str(caught.value)
