"""One run as CSV and Parquet, from real SQLite and real PostgreSQL."""

import csv
import io
import json
import os
import re
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from sqlalchemy import event, insert, select

from batch_client.errors import UsageError
from batch_client.reports import tables
from batch_client.reports.html import write_html
from batch_client.reports.tables import atomic_write, export_csv, export_json, export_parquet
from results import known_photos, schema
from results.database import Database
from results.orders import NO_ORDER
from results.photos import PhotoKey
from results.reporting import EXPORT_COLUMNS
from results.reviews import Verdict, store_verdict
from results.views import FINAL_COLUMNS, PREDICTION_COLUMNS, predictions
from tests.support.postgresql import PostgreSQL
from tests.support.report_rows import MIXED, SOURCE, TOP, answer, failure, store


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Database]:
    """SQLite alone, where the database does not matter."""
    opened = Database(str(tmp_path / "small.db"))
    yield opened
    opened.close()


def csv_of(database: Database, run: int) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    with database.reading() as connection:
        export_csv(connection, run, file)
    return list(csv.DictReader(io.StringIO(file.getvalue().removeprefix("\ufeff"), newline="")))


def view_of(database: Database, run: int) -> list[dict[str, Any]]:
    query = select(predictions).where(predictions.c.run_id == run).order_by(predictions.c.photo_id)
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


class TestCsv:
    def test_reads_back_as_the_view(self, database: Database) -> None:
        run = store(database, *MIXED)
        rows = csv_of(database, run)
        seen = view_of(database, run)
        assert [row["mismatch"] for row in seen] == [None, 0, 1]
        assert [row["repeat_of"] is None for row in seen] == [True, True, False]
        as_text = [{name: "" if value is None else str(value) for name, value in row.items()} for row in seen]
        assert [{name: row[name] for name in PREDICTION_COLUMNS} for row in rows] == as_text
        assert [(row["status"], row["error_code"], row["error_message"]) for row in rows] == [
            ("classified", "", "")
        ] * 3
        assert [(row["final_decision"], row["decided_by"]) for row in rows] == [
            ("cleared", "model"),
            ("open", ""),
            ("open", ""),
        ]
        assert tuple(rows[0]) == EXPORT_COLUMNS

    def test_mismatch_is_what_the_order_check_says(self, database: Database) -> None:
        """An unsure photo of another category is no mismatch, and an order may name several categories."""
        run = store(
            database,
            answer("a.jpg", "aa", "review", expected_category="Belts", match_verdict="unsure", match_probability=0.1),
            answer("b.jpg", "bb", "review", expected_category="Belts", match_verdict="mismatch", match_probability=0.0),
            answer("c.jpg", "cc", expected_category="Belts|Socks"),
        )
        assert [row["mismatch"] for row in csv_of(database, run)] == ["0", "1", "0"]
        assert [row["mismatch"] for row in view_of(database, run)] == [0, 1, 0]

    def test_has_the_failures_new_and_met_again(self, database: Database) -> None:
        first = store(database, failure("old.jpg", "cc"), answer("a.jpg", "aa"))
        second = store(database, failure("new.jpg", "dd", "truncated_image", "It breaks off."))
        with database.writing() as connection:
            key = PhotoKey(SOURCE, "old.jpg", "cc" * 32)
            known_photos.store_known(
                connection, second, known_photos.find_known(connection, [key], "1.0.0", "1")[key], NO_ORDER
            )
        assert [(row["filename"], row["status"]) for row in csv_of(database, first)] == [
            ("a.jpg", "classified"),
            ("old.jpg", "failed"),
        ]
        old, new = csv_of(database, second)
        assert (old["filename"], old["status"], old["error_code"]) == ("old.jpg", "known_failed", "unsupported_format")
        assert (new["status"], new["error_code"], new["error_message"]) == (
            "failed",
            "truncated_image",
            "It breaks off.",
        )
        assert (new["run_id"], new["source"], new["sha256"]) == (str(second), SOURCE, "dd" * 32)
        empty = ("predicted_class", "confidence", "timestamp", "decision", "top3", "model_version", "mismatch")
        assert {new[name] for name in empty} == {""}

    def test_shows_the_answer_of_its_own_run(self, database: Database) -> None:
        """The view shows the newest answer; the table of an older run must not change with it."""
        first = store(database, answer("a.jpg", "aa"))
        second = store(database, answer("a.jpg", "aa", predicted_class="Belts", model_version="2.0.0"))
        store(database, failure("a.jpg", "aa"))
        assert [[row["predicted_class"] for row in csv_of(database, run)] for run in (first, second)] == [
            ["Socks"],
            ["Belts"],
        ]

    def test_no_cell_is_a_formula(self, small: Database) -> None:
        starts = ("=", "+", "-", "@", "\t", "\r")
        run = store(
            small,
            *(answer(f"{start}1.jpg", f"a{i}") for i, start in enumerate(starts)),
            failure("=2", "bb", message="=3"),
        )
        rows = csv_of(small, run)
        assert [row["filename"] for row in rows] == [f"'{start}1.jpg" for start in starts] + ["'=2"]
        assert rows[-1]["error_message"] == "'=3"
        assert {row["source"] for row in rows} == {SOURCE}

    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    @pytest.mark.parametrize(
        "name", ["a;=1+1.jpg", "a; @x", "a\n=1", "a|-1", "\n=1", "\uff1d1+1", " +1", 'a";=1', "a\t=2"]
    )
    def test_nor_where_a_spreadsheet_separates_otherwise(self, small: Database, name: str, separator: str) -> None:
        """A spreadsheet that separates at another character than the comma respects no quotation mark within a cell."""
        run = store(small, answer(name, "aa"))
        text = io.StringIO()
        with small.reading() as connection:
            export_csv(connection, run, text)
        first, _, rest = text.getvalue().partition("\r\n")
        assert first
        for line in re.split(r"[\r\n]", rest) if separator != "," else [rest]:
            cells = next(csv.reader([line])) if separator == "," else line.split(separator)
            for cell in cells:
                assert cell.strip()[:1] not in ("=", "@", "\uff1d"), cell
                assert not re.match(r"\s*[+-]", cell) or re.fullmatch(r"-?[\d.]+", cell), cell

    def test_begins_with_a_byte_order_mark(self, small: Database, tmp_path: Path) -> None:
        run = store(small, answer("straße.jpg", "aa"))
        path = tmp_path / "run.csv"
        with small.reading() as connection, path.open("w", newline="", encoding="utf-8") as file:
            export_csv(connection, run, file)
        assert path.read_bytes().startswith(b"\xef\xbb\xbfphoto_id,")
        with path.open(newline="", encoding="utf-8-sig") as file:
            assert next(csv.DictReader(file))["filename"] == "straße.jpg"

    def test_a_large_run_is_streamed(self, small: Database) -> None:
        """Held at once, the rows of this run would take more than 20 MB."""
        run = store(small)
        fill(small, run, 10_000)
        with small.reading() as connection, Path(os.devnull).open("w", newline="") as nowhere:
            export_csv(connection, run, nowhere)  # what is loaded once does not count
            tracemalloc.start()
            export_csv(connection, run, nowhere)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < 6_000_000

    def test_postgresql_keeps_the_rows_until_they_are_asked_for(self, postgresql: PostgreSQL) -> None:
        database = Database(postgresql.new_database())
        run = store(database, *MIXED)
        cursors: list[str] = []
        event.listen(
            database.engine, "after_cursor_execute", lambda _, cursor, *__: cursors.append(type(cursor).__name__)
        )
        csv_of(database, run)
        database.close()
        assert cursors[-2:] == ["ServerCursor", "ServerCursor"]

    def test_a_run_that_is_not_there(self, small: Database) -> None:
        with pytest.raises(UsageError, match="no run 7"):
            csv_of(small, 7)


def fill(database: Database, run: int, count: int) -> None:
    """Give a run many answers, faster than one by one."""
    with database.writing() as connection:
        connection.execute(
            insert(schema.photos),
            [
                {"id": i, "source": SOURCE, "filename": f"{i}.jpg", "sha256": f"{i:064x}", "bytes": 1}
                | {"status": "classified", "created_at": "2026-11-23T02:00:00.000Z"}
                for i in range(1, count + 1)
            ],
        )
        given = {"run_id": run, "predicted_class": "Socks", "confidence": 0.5, "decision": "review"}
        given |= {"reason": "low_confidence", "top3": json.dumps(TOP), "timestamp": "2026-11-23T02:00:00.000Z"}
        given |= {"model_version": "1.0.0", "contract_version": "1"}
        connection.execute(insert(schema.predictions_history), [given | {"photo_id": i} for i in range(1, count + 1)])


def test_the_outcome_of_a_verdict_is_in_each_format(database: Database, tmp_path: Path) -> None:
    """The answer is that of the run; the outcome is the present one, of failed photos too."""
    run = store(database, answer("a.jpg", "aa", "review", expected_category="Belts"), failure("bad.jpg", "cc"))
    with database.writing() as connection:
        (photo,) = connection.execute(select(predictions).where(predictions.c.run_id == run)).all()
        answered = connection.execute(select(schema.predictions_history.c.id)).scalar_one()
        store_verdict(connection, "Ada", Verdict(photo.photo_id, answered, "category", "Belts"))
    with database.reading() as connection:
        export_parquet(connection, run, tmp_path / "run.parquet")
        file = io.StringIO()
        export_json(connection, run, file)
        write_html(connection, run, tmp_path / "run.html", None)
    as_json = json.loads(file.getvalue())
    assert as_json[0]["top3"] == TOP
    assert parquet.read_table(tmp_path / "run.parquet").to_pylist() == [
        {**row, "top3": json.dumps(row["top3"], separators=(",", ":")) if row["top3"] else None} for row in as_json
    ]
    for rows, nothing in ((as_json, None), (csv_of(database, run), "")):
        decided, failed = rows
        assert decided["predicted_class"] == "Socks"
        assert [decided[name] for name in FINAL_COLUMNS[:3]] == ["Belts", "cleared", "Ada"]
        assert decided["decided_at"] > "2026"
        assert [failed[name] for name in FINAL_COLUMNS] == [nothing, "open", nothing, nothing, nothing]
    page = (tmp_path / "run.html").read_text()
    assert "<b>Cleared</b>: Belts" in page
    assert "<bdi>Ada</bdi>" in page


def test_json_of_an_empty_run(small: Database) -> None:
    file = io.StringIO()
    with small.reading() as connection:
        export_json(connection, store(small), file)
    assert json.loads(file.getvalue()) == []


class TestParquet:
    def test_reads_back_as_the_view(self, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tables, "_ROWS_PER_GROUP", 2)
        run = store(database, *MIXED, answer("=1.jpg", "ee"), failure("bad.jpg", "cc"))
        path = tmp_path / "new" / "run.parquet"
        with database.reading() as connection:
            export_parquet(connection, run, path)
        with parquet.ParquetFile(path) as file:
            assert file.num_row_groups == 3  # two of answers, one of failures
            assert tuple(file.schema_arrow.names) == EXPORT_COLUMNS
            types = {field.name: str(field.type) for field in file.schema_arrow}
            rows = file.read().to_pylist()
        numbers = {name: kind for name, kind in types.items() if kind != "string"}
        assert numbers == {
            "photo_id": "int64", "run_id": "int64", "repeat_of": "int64", "mismatch": "int64", "reused": "int64",
            "confidence": "double", "match_probability": "double",
        }  # fmt: skip
        assert [{name: row[name] for name in PREDICTION_COLUMNS} for row in rows[:-1]] == view_of(database, run)
        assert rows[3]["filename"] == "=1.jpg"
        assert (rows[-1]["filename"], rows[-1]["status"], rows[-1]["confidence"]) == ("bad.jpg", "failed", None)
        assert [child.name for child in path.parent.iterdir()] == ["run.parquet"]

    def test_an_empty_run_is_an_empty_table(self, small: Database, tmp_path: Path) -> None:
        with small.reading() as connection:
            export_parquet(connection, store(small), tmp_path / "run.parquet")
        table = parquet.read_table(tmp_path / "run.parquet")
        assert (table.num_rows, tuple(table.column_names)) == (0, EXPORT_COLUMNS)

    def test_the_missing_package_is_named(
        self, small: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        run = store(small)
        with small.reading() as connection, pytest.raises(UsageError, match=r"'pyarrow'.*tools\.install parquet"):
            export_parquet(connection, run, tmp_path / "run.parquet")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("yesterday's")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert [(child.name, child.read_text()) for child in tmp_path.iterdir()] == [("report.html", "yesterday's")]
    with atomic_write(path) as temporary:
        temporary.write_text("today's")
        assert path.read_text() == "yesterday's"
    assert [(child.name, child.read_text()) for child in tmp_path.iterdir()] == [("report.html", "today's")]
