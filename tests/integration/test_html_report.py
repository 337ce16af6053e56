"""The page of the morning, from real SQLite and real PostgreSQL."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from batch_client.errors import UsageError
from batch_client.pipeline.pictures import MediaStore
from batch_client.reports import html
from batch_client.reports.html import write_html
from results import known_photos, runs
from results.database import Database
from results.orders import NO_ORDER
from results.photos import PhotoKey
from tests.support.report_rows import MIXED, SOURCE, answer, failure, store


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Database]:
    """SQLite alone, where the database does not matter."""
    opened = Database(str(tmp_path / "small.db"))
    yield opened
    opened.close()


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
        monkeypatch.setattr(html, "_PICTURES", 3)
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
            f"again.jpg return R-2 first.jpg return R-1 file {earlier}",
            "new too.jpg new.jpg file this one",
            f"whole.jpg broken.jpg file {earlier}",
        )

    def test_failures_met_again_are_told_apart(self, database: Database, tmp_path: Path) -> None:
        store(database, failure("a-known.jpg", "cc"))
        run = store(database, failure("new.jpg", "dd"))
        key = PhotoKey(SOURCE, "a-known.jpg", "cc" * 32)
        with database.writing() as connection:
            known_photos.store_known(
                connection, run, known_photos.find_known(connection, [key], "1.0.0", "1")[key], NO_ORDER
            )
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
        monkeypatch.setattr(html, "_LINES", 1)
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

    def test_a_finished_run_that_leaves_something_to_be_mended(self, small: Database, tmp_path: Path) -> None:
        run = store(small, answer("a.jpg", "aa"), message="1 not put away: a.jpg cannot be put away: No space left")
        assert (
            "Finished. 1 not put away: a.jpg cannot be put away: No space left." in page_of(small, run, tmp_path).words
        )

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
        assert "Socks 99.9% Belts 0.0%" in words

    def test_a_run_that_is_not_there(self, small: Database, tmp_path: Path) -> None:
        with small.reading() as connection, pytest.raises(UsageError, match="no run 7"):
            write_html(connection, 7, tmp_path / "run.html", None)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.25, "0.2 s"), (59.9, "59.9 s"), (61, "1 min 01 s"), (3599.7, "1 h 00 min"), (45_296, "12 h 34 min")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert html._duration(seconds) == shown
