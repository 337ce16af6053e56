"""The manifest: what it says of photos, line by line, and what a run makes of it."""

import os
import time
import unicodedata
from pathlib import Path

import pytest

from batch_client.exit_codes import ExitCode
from batch_client.sources import manifest_file
from batch_client.sources.local import Folder
from batch_client.sources.manifest import ManifestEntry, read_manifest
from batch_client.sources.manifest_file import ManifestUnusable
from results.orders import Order
from tests.support.batch_rig import BatchRig

CLASSES = ("Socks", "Belts")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_file, "STABLE_SECONDS", 0)


def photos(folder: Path, *names: str) -> Folder:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return Folder(folder)


def said(return_id: str = "", category: str | None = None, word: str | None = None) -> ManifestEntry:
    """Return the entry of a photo whose order is written as our own name, or by another word."""
    return ManifestEntry(return_id, Order(category, word or category))


class TestManifest:
    def test_entries(self, tmp_path: Path) -> None:
        source = photos(tmp_path, "a.jpg", "sub/b.jpg", "c.jpg", "elsewhere.jpg")
        (tmp_path / "manifest.csv").write_text(
            "filename,return_id,expected_category\na.jpg,R-1,Socks\nsub/b.jpg,R-2,\n.\\c.jpg,,Belts\n",
            encoding="utf-8-sig",
        )
        manifest = read_manifest(source, CLASSES)
        assert manifest.problems == ()
        assert manifest.entry("a.jpg") == said("R-1", "Socks")
        assert manifest.entry("sub/b.jpg") == said("R-2")
        assert manifest.entry("c.jpg") == said("", "Belts")
        assert manifest.entry("elsewhere.jpg") == ManifestEntry()
        assert manifest.unnamed == 1

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            (",R-2,Socks", "line 3: the file name is empty"),
            ("a.jpg,R-2,Socks", "line 3: 'a.jpg' stands there twice"),
            ('"b.jpg,R-2,Socks\n"y.jpg",R-3,', "line 3: it is no CSV"),
            ('"b.jpg,R-2,' + "Socks" * 50_000, "line 3: it is no CSV"),
            ("stra\udcdfe.jpg,R-2,Socks", "line 3: it holds a zero or bytes that are no UTF-8"),
            ("b.jpg,R\0-2,Socks", "line 3: its return_id holds a zero"),
            (f"b.jpg,{'R' * 201},Socks", "line 3: return_id has 201 characters, the limit is 200"),
            ("b.jpg,R,2,Socks", "line 3: 3 cells expected, 4 found"),
            ("b.jpg,R-2,Hats", "expected_category 'Hats' is none of the categories (1 line)"),
        ],
    )
    def test_a_bad_line_is_named_and_the_others_are_used(self, tmp_path: Path, line: str, words: str) -> None:
        named_there = [name for name in ("b.jpg", "y.jpg") if name in line and len(line) < 1_000]
        source = photos(tmp_path, "a.jpg", "z.jpg", *named_there)
        (tmp_path / "manifest.csv").write_text(
            f"filename,return_id,expected_category\na.jpg,R-1,Socks\n{line}\nz.jpg,R-9,Belts\n",
            errors="surrogateescape",
        )
        manifest = read_manifest(source, CLASSES)
        assert words in manifest.problems[0]
        assert manifest.entry("a.jpg") == said("R-1", "Socks")
        assert manifest.entry("z.jpg") == said("R-9", "Belts")

    def test_a_refused_cell_costs_only_itself(self, tmp_path: Path) -> None:
        """A spreadsheet writes empty cells at the end or leaves the last ones out; a word may be misspelt."""
        source = photos(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")
        (tmp_path / "manifest.csv").write_text(
            "filename,return_id,expected_category,,\na.jpg,R-1,Sock,,\nb.jpg,R-2,sock\nc.jpg,R-3,,,,,\nd.jpg,R-4\n"
            "e.jpg,R-5, bELTS \n"
        )
        manifest = read_manifest(source, CLASSES)
        assert [manifest.entry(f"{name}.jpg") for name in "abcde"] == [
            said("R-1", None, "Sock"),
            said("R-2", None, "sock"),
            said("R-3"),
            said("R-4"),
            said("R-5", "Belts", "bELTS"),
        ]
        assert manifest.problems == (
            "manifest.csv: expected_category 'Sock' is none of the categories (2 lines); the nearest are Socks",
        )

    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
    @pytest.mark.parametrize("before", ["", "\r\n", "sep=%s\r\n"])
    def test_is_read_as_shops_write_it(self, tmp_path: Path, separator: str, encoding: str, before: str) -> None:
        source = photos(tmp_path, "straße.jpg", "b.jpg")
        rows = [
            ["Expected Category", "size", "Return-ID", "FILENAME"],
            ["Socks", "1", "R-1", "straße.jpg"],
            ["", "2", "R,2;x\ty", '"b.jpg"'],
        ]
        rows[2][2] = '"' + rows[2][2] + '"'
        text = before.replace("%s", separator) + "".join(separator.join(row) + "\r\n" for row in rows)
        (tmp_path / "manifest.csv").write_bytes(text.encode(encoding))
        manifest = read_manifest(source, CLASSES)
        assert manifest.problems == ()
        assert manifest.entry("straße.jpg") == said("R-1", "Socks")
        assert manifest.entry("b.jpg") == ManifestEntry("R,2;x\ty")

    def test_a_column_that_is_nearly_ours_is_asked_about(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.csv").write_text("filename,retrun_id,size\na.jpg,R-1,3\n")
        manifest = read_manifest(photos(tmp_path, "a.jpg"), CLASSES)
        assert manifest.problems == ("manifest.csv: the column 'retrun_id' is not used; is it return_id?",)


class TestNames:
    @pytest.mark.parametrize(
        ("written", "filename"),
        [
            ("IMG_1.jpg", "IMG_1.JPG"),
            ("Straße.jpg", "STRASSE.jpg"),
            (unicodedata.normalize("NFC", "für.jpg"), unicodedata.normalize("NFD", "für.jpg")),
            (unicodedata.normalize("NFD", "FÜR.jpg"), unicodedata.normalize("NFC", "für.jpg")),
            ("Day 1\\A.jpg", "day 1/a.JPG"),
            ("/sub//a.jpg", "sub/a.jpg"),
            ("././a.jpg", "a.jpg"),
        ],
    )
    def test_spelt_otherwise_mean_the_same_file(self, tmp_path: Path, written: str, filename: str) -> None:
        source = photos(tmp_path, filename)
        (tmp_path / "manifest.csv").write_text(f"filename,return_id\n{written},R-1\n", encoding="utf-8")
        manifest = read_manifest(source, CLASSES)
        assert (manifest.entry(filename), manifest.problems) == (ManifestEntry("R-1"), ())

    def test_as_written_counts_first(self, tmp_path: Path) -> None:
        source = photos(tmp_path, "a.jpg", "A.JPG", "A.jpg")
        (tmp_path / "manifest.csv").write_text("filename,return_id\nA.jpg,R-1\na.jpg,R-2\n")
        manifest = read_manifest(source, CLASSES)
        assert [manifest.entry(name) for name in ("A.jpg", "a.jpg", "A.JPG")] == [
            ManifestEntry("R-1"),
            ManifestEntry("R-2"),
            ManifestEntry(),
        ]

    def test_that_may_mean_two_files_are_asked_about(self, tmp_path: Path) -> None:
        source = photos(tmp_path, "a.JPG", "A.jpg", "b.jpg")
        (tmp_path / "manifest.csv").write_text("filename,return_id\na.jpg,R-1\nb.jpg,R-2\n")
        manifest = read_manifest(source, CLASSES)
        assert [manifest.entry(name) for name in ("a.JPG", "A.jpg", "b.jpg")] == [None, None, ManifestEntry("R-2")]
        assert manifest.problems == (
            "manifest.csv line 2: 'a.jpg' may mean any of 'A.jpg', 'a.JPG': "
            "they differ in capitals or Unicode form only",
        )

    def test_a_line_without_photo_is_counted_and_listed(self, tmp_path: Path) -> None:
        source = photos(tmp_path, "a.jpg", "never named.jpg")
        lines = "".join(f"gone {number}.jpg,R-{number}\n" for number in range(7))
        (tmp_path / "manifest.csv").write_text(f"filename,return_id\na.jpg,R\n{lines}")
        manifest = read_manifest(source, CLASSES, stored_names=lambda names: {"gone 0.jpg"} & set(names))
        assert (manifest.without_photo, manifest.unnamed) == (6, 1)
        assert manifest.problems == (
            "manifest.csv: 6 lines name no photo in the source: 'gone 1.jpg' (line 4), 'gone 2.jpg' (line 5), "
            "'gone 3.jpg' (line 6), 'gone 4.jpg' (line 7), 'gone 5.jpg' (line 8) and 1 more",
        )


class TestHalfWritten:
    def test_a_manifest_that_grows_is_waited_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = photos(tmp_path, "a.jpg")
        manifest = tmp_path / "manifest.csv"
        manifest.write_text("filename,return_id\na.jpg,R-1\n")
        monkeypatch.setattr(manifest_file, "STABLE_SECONDS", 5.0)
        pauses = iter(["filename,return_id\na.jpg,R-10\n", "filename,return_id\na.jpg,R-1005\n"])

        def sleep(seconds: float) -> None:
            assert 0 < seconds <= 5
            if text := next(pauses, None):
                manifest.write_text(text)

        monkeypatch.setattr(time, "sleep", sleep)
        assert read_manifest(source, CLASSES).entry("a.jpg") == ManifestEntry("R-1005")
        assert next(pauses, "none left") == "none left"

    def test_one_that_never_ends_growing_keeps_the_photos_waiting(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = photos(tmp_path, "a.jpg")
        manifest = tmp_path / "manifest.csv"
        manifest.write_text("filename,return_id\n")
        monkeypatch.setattr(manifest_file, "_LONGEST_WAIT_SECONDS", 0.05)

        def sleep(seconds: float) -> None:
            with manifest.open("a") as file:
                file.write("a.jpg,R-1\n")

        monkeypatch.setattr(time, "sleep", sleep)
        with pytest.raises(ManifestUnusable, match=r"manifest\.csv is still being written"):
            read_manifest(source, CLASSES)

    def test_a_young_one_that_ends_within_a_line_keeps_what_it_may_still_name_waiting(self, tmp_path: Path) -> None:
        source = photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
        path = tmp_path / "manifest.csv"
        path.write_text("filename,return_id\na.jpg,R-1\nb.jpg,R-10")
        manifest = read_manifest(source, CLASSES)
        assert [manifest.entry(name) for name in ("a.jpg", "b.jpg", "c.jpg")] == [ManifestEntry("R-1"), None, None]
        assert "line 3: it has no line break" in manifest.problems[0]
        os.utime(path, (time.time() - 601, time.time() - 601))
        manifest = read_manifest(source, CLASSES)
        assert [manifest.entry(name) for name in ("b.jpg", "c.jpg")] == [ManifestEntry("R-10"), ManifestEntry()]


class TestRuns:
    @pytest.mark.parametrize("name", ["Manifest.csv", "MANIFEST.CSV"])
    def test_the_name_counts_in_any_case(self, rig: BatchRig, name: str) -> None:
        rig.add("a.jpg")
        (rig.inbox / name).write_text("filename,return_id\na.jpg,R-1\n")
        assert rig.run()[0] == ExitCode.OK
        assert rig.rows("SELECT filename, return_id FROM predictions") == [("a.jpg", "R-1")]

    @pytest.mark.parametrize("name", ["manifest.csv.txt", "Manifest.xlsx", "manifest.CSV"])
    def test_with_one_that_is_meant_and_not_read_the_photos_wait(self, rig: BatchRig, name: str) -> None:
        rig.add("a.jpg")
        (rig.inbox / name).write_text("filename,return_id\na.jpg,R-1\n")
        if name == "manifest.CSV":
            (rig.inbox / "manifest.csv").write_text("filename,return_id\na.jpg,R-2\n")
        code, output = rig.run()
        assert (code, name in output) == (ExitCode.USAGE, True), output
        assert rig.rows("SELECT count(*) FROM photos") == [(0,)]

    def test_a_photo_whose_line_is_refused_waits_and_gets_its_return_later(self, rig: BatchRig) -> None:
        """Stored without its return, it would be another record, and the double of itself once the line is mended."""
        rig.add("a.jpg", "b.jpg", "c.jpg")
        manifest = rig.inbox / "manifest.csv"
        manifest.write_text("filename,return_id\na.jpg,R-1\nb.jpg,R,2\n")
        code, output = rig.run()
        assert (code, "manifest.csv line 3: 2 cells expected, 3 found" in output) == (ExitCode.USAGE, True), output
        run = rig.newest_run()
        assert (run["status"], run["classified"], run["left"]) == ("finished", 2, 1)
        manifest.write_text('filename,return_id\na.jpg,R-1\nb.jpg,"R,2"\n')
        assert rig.run()[0] == ExitCode.OK
        assert rig.rows("SELECT filename, return_id, repeat_of FROM predictions ORDER BY 1") == [
            ("a.jpg", "R-1", None),
            ("b.jpg", "R,2", None),
            ("c.jpg", None, None),
        ]

    def test_a_line_whose_photo_was_moved_away_is_no_news(self, rig: BatchRig) -> None:
        rig.add("a.jpg", "b.jpg")
        (rig.inbox / "manifest.csv").write_text("filename,return_id\na.jpg,R-1\nnever.jpg,R-2\n")
        _, output = rig.run("run", "--processed", "move")
        assert "1 line names no photo in the source: 'never.jpg' (line 3)" in " ".join(output.split())
        _, output = rig.run("run", "--processed", "move")
        assert "1 line names no photo in the source: 'never.jpg' (line 3)" in " ".join(output.split())

    @pytest.mark.parametrize(
        "content", [b"", b"photo;return\n", b"size,return_id\n", b"filename,return_id,return-id\n"]
    )
    def test_with_an_unusable_file_the_photos_wait(self, rig: BatchRig, content: bytes) -> None:
        """Without their returns they would be other records, doubled once the manifest is mended."""
        rig.add("a.jpg", "b.jpg")
        (rig.inbox / "manifest.csv").write_bytes(content)
        code, output = rig.run()
        assert code == ExitCode.USAGE
        assert "manifest.csv line 1: the header must be filename,return_id,expected_category" in " ".join(
            output.split()
        )
        assert rig.rows('SELECT status, found, "left" FROM runs') == [("stopped", 2, 2)]
        (rig.inbox / "manifest.csv").write_text("filename,return_id\na.jpg,R-1\n")
        assert rig.run()[0] == ExitCode.OK
        assert rig.rows("SELECT filename, return_id FROM predictions ORDER BY 1") == [
            ("a.jpg", "R-1"),
            ("b.jpg", None),
        ]

    def test_is_stored_and_a_mismatch_is_flagged(self, rig: BatchRig) -> None:
        rig.add("right.jpg", "wrong.jpg", "unsaid.jpg")
        (rig.inbox / "manifest.csv").write_text(
            "filename,return_id,expected_category\nright.jpg,R-1,Socks\nwrong.jpg,R-2,Belts\nwrong.jpg,R-3,Belts\n"
        )
        code, output = rig.run()
        assert code == ExitCode.OK
        assert "manifest.csv line 4: 'wrong.jpg' stands there twice" in output
        assert rig.rows("SELECT filename, return_id, expected_category, mismatch FROM predictions ORDER BY 1") == [
            ("right.jpg", "R-1", "Socks", 0),
            ("unsaid.jpg", None, None, None),
            ("wrong.jpg", "R-2", "Belts", 1),
        ]
        (rig.inbox / "manifest.csv").write_text("filename,return_id,expected_category\nwrong.jpg,R-2,Socks\n")
        rig.run()  # a correction is obeyed although the photo is known
        assert rig.rows("SELECT mismatch FROM predictions WHERE filename = 'wrong.jpg'") == [(0,)]

    def test_another_return_is_another_record(self, rig: BatchRig) -> None:
        rig.add("a.jpg")
        for return_id in ("R-1", "R-2"):
            (rig.inbox / "manifest.csv").write_text(f"filename,return_id\na.jpg,{return_id}\n")
            rig.run()
        first = rig.rows("SELECT photo_id FROM predictions WHERE return_id = 'R-1'")[0][0]
        assert rig.rows("SELECT return_id, repeat_of FROM predictions ORDER BY photo_id") == [
            ("R-1", None),
            ("R-2", first),
        ]
