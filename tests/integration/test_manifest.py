"""The manifest: what it says of photos, line by line, and what a run makes of it."""

from pathlib import Path

import pytest

from batch_client.exit_codes import ExitCode
from batch_client.sources.local import Folder
from batch_client.sources.manifest import read_manifest
from tests.support.batch_rig import BatchRig

CLASSES = ("Socks", "Belts")


class TestManifest:
    def test_entries(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.csv").write_text(
            "filename,return_id,expected_category\na.jpg,R-1,Socks\nsub/b.jpg,R-2,\n.\\c.jpg,,Belts\n",
            encoding="utf-8-sig",
        )
        manifest = read_manifest(Folder(tmp_path), CLASSES)
        assert manifest.problems == ()
        assert manifest.entry("a.jpg").return_id == "R-1"
        assert manifest.entry("sub/b.jpg").expected_category is None
        assert manifest.entry("c.jpg").expected_category == "Belts"
        assert manifest.entry("elsewhere.jpg").return_id == ""

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("b.jpg,R-2,Hats", "line 3: expected_category 'Hats' is none of the categories"),
            ("b.jpg,R-2", "line 3: 3 cells expected, 2 found"),
            (",R-2,Socks", "line 3: the file name is empty"),
            ("a.jpg,R-2,Socks", "line 3: 'a.jpg' stands there twice"),
            ('"b.jpg,R-2,Socks\n"y.jpg",R-3,', "line 3: it is no CSV"),
            ('"b.jpg,R-2,' + "Socks" * 50_000, "line 3: it is no CSV"),
            ("stra\udcdfe.jpg,R-2,Socks", "line 3: it holds a zero or bytes that are no UTF-8"),
            ("b.jpg,R\0-2,Socks", "line 3: it holds a zero"),
            (f"b.jpg,{'R' * 201},Socks", "line 3: return_id has 201 characters, the limit is 200"),
        ],
    )
    def test_a_bad_line_is_named_and_the_others_are_used(self, tmp_path: Path, line: str, words: str) -> None:
        (tmp_path / "manifest.csv").write_text(
            f"filename,return_id,expected_category\na.jpg,R-1,Socks\n{line}\nz.jpg,R-9,Belts\n",
            errors="surrogateescape",
        )
        manifest = read_manifest(Folder(tmp_path), CLASSES)
        assert len(manifest.problems) == 1
        assert words in manifest.problems[0]
        assert manifest.entry("z.jpg").return_id == "R-9"

    @pytest.mark.parametrize(
        "content", [b"", b"photo;return\n", b"filename,size\n", "filename\na.jpg\n".encode("utf-16")]
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
