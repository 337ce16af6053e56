"""Exports and the HTML report, of runs in real SQLite and real PostgreSQL."""

import base64
import csv
import io
import json
import os
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from sqlalchemy import event, insert, select, text

from batch_client import export, html_report
from batch_client.errors import UsageError
from batch_client.export import export_csv, export_parquet, written_whole
from batch_client.html_report import write_html
from batch_client.media import MediaStore
from results import photos, runs, schema
from results.database import Database
from results.photos import Classified, Failed, PhotoKey
from results.reporting import EXPORT_COLUMNS
from results.runs import Counts
from results.schema import PREDICTION_COLUMNS, predictions
from tests.postgresql import PostgreSQL

TOP = [
    {"class": "Socks", "probability": 0.9125},
    {"class": "Belts", "probability": 0.0625},
    {"class": "Wallets", "probability": 0.0124},
]
SOURCE = "/srv/returns"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = Database(str(tmp_path / "results.db"))
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        opened = Database(server.new_database())
    yield opened
    opened.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Database]:
    """SQLite alone, where the database does not matter."""
    opened = Database(str(tmp_path / "small.db"))
    yield opened
    opened.close()


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


def csv_of(database: Database, run: int) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    with database.reading() as connection:
        export_csv(connection, run, file)
    return list(csv.DictReader(io.StringIO(file.getvalue().removeprefix("\ufeff"), newline="")))


def view_of(database: Database, run: int) -> list[dict[str, Any]]:
    query = select(predictions).where(predictions.c.run_id == run).order_by(predictions.c.photo_id)
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


MIXED = (
    answer("a.jpg", "aa"),
    answer("sub/b.jpg", "bb", "review", return_id="R-1", expected_category="Socks", confidence=0.1 + 0.2),
    answer('odd, "name"\nß.jpg', "aa", expected_category="Belts"),
)


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
        assert tuple(rows[0]) == EXPORT_COLUMNS

    def test_has_the_failures_new_and_met_again(self, database: Database) -> None:
        first = store(database, failure("old.jpg", "cc"), answer("a.jpg", "aa"))
        second = store(database, failure("new.jpg", "dd", "truncated_image", "It breaks off."))
        with database.writing() as connection:
            key = PhotoKey(SOURCE, "old.jpg", "cc" * 32)
            photos.store_known(connection, second, photos.find_known(connection, [key], "1.0.0", "1")[key], None)
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


class TestParquet:
    def test_reads_back_as_the_view(self, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export, "_ROWS_PER_GROUP", 2)
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
            "photo_id": "int64", "run_id": "int64", "repeat_of": "int64", "mismatch": "int64", "confidence": "double"
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
        with small.reading() as connection, pytest.raises(UsageError, match=r"'pyarrow'.*pip install"):
            export_parquet(connection, run, tmp_path / "run.parquet")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("yesterday's")
    with pytest.raises(ZeroDivisionError), written_whole(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert [(child.name, child.read_text()) for child in tmp_path.iterdir()] == [("report.html", "yesterday's")]
    with written_whole(path) as temporary:
        temporary.write_text("today's")
        assert path.read_text() == "yesterday's"
    assert [(child.name, child.read_text()) for child in tmp_path.iterdir()] == [("report.html", "today's")]


class Page(HTMLParser):
    """What a browser would make of a page.

    Attributes:
        words: its text, without style, as one line.
        tags: name and attributes of each.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.words = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._style = False
        self.feed(source)
        self.close()
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"
        self.words += "" if tag in ("b", "bdi", "code", "span") else " "

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.words += data

    def links(self) -> set[str]:
        names = ("src", "href", "srcset", "action", "data", "poster", "background", "formaction")
        return {value for _, attributes in self.tags for name in names if (value := attributes.get(name))}


def page_of(database: Database, run: int, folder: Path, media: Path | None = None) -> Page:
    with database.reading() as connection:
        write_html(connection, run, folder / "reports" / "run.html", media)
    assert [path.name for path in (folder / "reports").iterdir()] == ["run.html"]
    return Page((folder / "reports" / "run.html").read_text(encoding="utf-8"))


def in_order(words: str, *parts: str) -> bool:
    places = [words.find(part) for part in parts]
    return -1 not in places and places == sorted(places)


class TestHtml:
    def test_has_counts_times_and_categories(self, database: Database, tmp_path: Path) -> None:
        run = store(database, *MIXED, failure("bad.jpg", "cc"), left=2)
        words = page_of(database, run, tmp_path).words
        assert "6 found = 3 classified + 0 known + 1 failed + 2 left" in words
        assert "Started 2026-11-23 02:00 UTC" in words
        assert "Duration 30.0 s Photos per second 0.1 Model 1.0.0 (contract 1)" in words
        assert "Category Accept Review Photos Socks 2 1 3 all 2 1 3" in words
        assert "1 photo has newly failed; here is why. 2 photos were left; the next run takes them up." in words
        assert in_order(words, "Failed 1", "bad.jpg", "unsupported_format", "These are no photo.")

    def test_mismatches_come_before_what_is_unsure(
        self, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = store(
            database,
            answer("fine.jpg", "aa", expected_category="Socks"),
            answer("unsure.jpg", "bb", "review", confidence=0.5),
            answer("most-unsure.jpg", "cc", "review", confidence=0.2, return_id="R-7"),
            answer("other.jpg", "dd", expected_category="Belts", confidence=0.8),
            answer("surely-other.jpg", "ee", "review", expected_category="Belts", confidence=0.9),
        )
        words = page_of(database, run, tmp_path).words
        assert in_order(
            words,
            "Not what was ordered 2",
            "surely-other.jpg expected Belts predicted Socks Socks 91.2% Belts 6.2% Wallets 1.2% low confidence",
            "other.jpg expected Belts predicted Socks Socks 91.2% Belts 6.2% Wallets 1.2% For a person to decide 2",
            "most-unsure.jpg return R-7 Socks",
            " unsure.jpg",
        )
        assert "fine.jpg" not in words
        monkeypatch.setattr(html_report, "_PICTURES", 3)
        words = page_of(database, run, tmp_path).words
        assert in_order(words, "surely-other.jpg", "other.jpg", "most-unsure.jpg", "1 more is not shown here")

    def test_repeats_name_the_earlier_photo_and_its_run(self, database: Database, tmp_path: Path) -> None:
        store(database)
        failed = replace(failure("broken.jpg", "ff"), photo_fault=False)
        earlier = store(database, answer("first.jpg", "aa", return_id="R-1"), failed)
        store(database, answer("first.jpg", "aa", return_id="R-1", model_version="2.0.0"))
        run = store(
            database,
            answer("again.jpg", "aa", return_id="R-2"),
            answer("new.jpg", "bb"),
            answer("new too.jpg", "bb"),
            answer("whole.jpg", "ff"),
        )
        words = page_of(database, run, tmp_path).words
        assert in_order(
            words,
            "Repeats 3",
            f"again.jpg return R-2 first.jpg return R-1 {earlier}",
            "new too.jpg new.jpg this one",
            f"whole.jpg broken.jpg {earlier}",
        )

    def test_failures_met_again_are_told_apart(self, database: Database, tmp_path: Path) -> None:
        store(database, failure("a-known.jpg", "cc"))
        run = store(database, failure("new.jpg", "dd"))
        key = PhotoKey(SOURCE, "a-known.jpg", "cc" * 32)
        with database.writing() as connection:
            photos.store_known(connection, run, photos.find_known(connection, [key], "1.0.0", "1")[key], None)
        assert in_order(page_of(database, run, tmp_path).words, "Failed 2", "new.jpg", "a-known.jpg known")

    def test_nothing_from_outside_is_markup(self, small: Database, tmp_path: Path) -> None:
        evil = "\"'><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>"
        run = store(
            small,
            answer(f"sub/{evil}.jpg", "aa", "review", return_id=f"R{evil}", expected_category=f"E{evil}", reason=evil),
            answer("repeat.jpg", "aa", predicted_class=f"P{evil}"),
            answer("top.jpg", "bb", "review", top3=[{"class": f"T{evil}", "probability": 1}]),
            failure(f"F{evil}", "cc", f"C{evil}", f"M{evil}"),
            source=f"S{evil}",
            status="stopped",
            message=f"W{evil}",
        )
        page = page_of(small, run, tmp_path)
        assert {"script", "img"}.isdisjoint(tag for tag, _ in page.tags)
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
        for start in ("sub/", "R", "E", "P", "T", "F", "C", "M", "S", "W"):
            assert f"{start}{evil}" in page.words

    def test_loads_nothing(self, small: Database, tmp_path: Path) -> None:
        run = store(small, *MIXED, failure("bad.jpg", "cc"))
        media = MediaStore(tmp_path / "media")
        media.thumbnail_path("bb" * 32).parent.mkdir(parents=True)
        media.thumbnail_path("bb" * 32).write_bytes(b"\xff\xd8 a thumbnail")
        page = page_of(small, run, tmp_path, tmp_path / "media")
        pictures = {link for link in page.links() if link.startswith("data:image/jpeg;base64,")}
        assert [base64.b64decode(link.partition(",")[2]) for link in pictures] == [b"\xff\xd8 a thumbnail"]
        ids = {f"#{attributes['id']}" for _, attributes in page.tags if "id" in attributes}
        assert page.links() - pictures <= ids
        for outside in ("http:", "https:", "//", "@import", "url(", "<script", "<link"):
            assert outside not in page.source.replace("base64,//", ""), outside
        assert "no picture kept" in page.words  # of the mismatch

    def test_a_page_without_media(self, small: Database, tmp_path: Path) -> None:
        page = page_of(small, store(small, *MIXED), tmp_path)
        assert page.words.count("no picture kept") == 2
        assert "img" not in {tag for tag, _ in page.tags}

    def test_long_lists_are_cut_and_say_so(
        self, small: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(html_report, "_LINES", 1)
        run = store(
            small,
            *(answer(f"{i:03}.jpg", f"{i:04x}", "review") for i in range(203)),
            *(answer(f"again-{i}.jpg", f"{i:04x}") for i in range(3)),
            *(failure(f"bad-{i}.jpg", f"f{i}") for i in range(3)),
        )
        words = page_of(small, run, tmp_path).words
        assert words.count("no picture kept") == 200
        assert "For a person to decide 203" in words
        assert "3 more are not shown here" in words
        assert ("again-0.jpg" in words, "again-1.jpg" in words) == (True, False)
        assert ("bad-0.jpg" in words, "bad-1.jpg" in words) == (True, False)
        assert words.count("and 2 more:") == 2

    def test_an_empty_run(self, small: Database, tmp_path: Path) -> None:
        page = page_of(small, store(small), tmp_path)
        assert "Nothing to do." in page.words
        assert "0 found = 0 classified + 0 known + 0 failed + 0 left" in page.words
        assert {"section", "nav"}.isdisjoint(tag for tag, _ in page.tags)
        assert "per second" not in page.words

    def test_a_run_that_stopped_early(self, small: Database, tmp_path: Path) -> None:
        run = store(small, answer("a.jpg", "aa"), status="stopped", message="no connection", left=1200)
        words = page_of(small, run, tmp_path).words
        assert "Stopped early: no connection 1,200 photos were left; the next run takes them up." in words
        assert "1,201 found" in words

    def test_runs_without_an_end_of_their_own(self, small: Database, tmp_path: Path) -> None:
        """A killed run is closed by the next, perhaps a day later: that is no duration."""
        with small.writing() as connection:
            run = runs.start_run(connection, SOURCE)
        words = page_of(small, run, tmp_path).words
        assert "Still running." in words
        assert "none answered" in words
        with small.writing() as connection:
            runs.close_interrupted(connection)
        words = page_of(small, run, tmp_path).words
        assert "Killed: the batch client ended before it could close the run" in words
        assert "Duration" not in words

    def test_numbers_are_not_rounded_to_certainty(self, small: Database, tmp_path: Path) -> None:
        top = [{"class": "Socks", "probability": 0.99996}, {"class": "Belts", "probability": 0.00004}]
        words = page_of(small, store(small, answer("a.jpg", "aa", "review", top3=top)), tmp_path).words
        assert "Socks > 99.9% Belts < 0.1%" in words

    def test_a_run_that_is_not_there(self, small: Database, tmp_path: Path) -> None:
        with small.reading() as connection, pytest.raises(UsageError, match="no run 7"):
            write_html(connection, 7, tmp_path / "run.html", None)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.25, "0.2 s"), (59.9, "59.9 s"), (61, "1 min 01 s"), (3599.7, "1 h 00 min"), (45_296, "12 h 34 min")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert html_report._duration(seconds) == shown
