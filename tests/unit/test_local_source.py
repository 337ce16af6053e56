"""Which files of a folder count as photos."""

import os
from pathlib import Path

from batch_client.sources.local import find_files


class TestIntake:
    def test_finds_photos_in_every_folder_and_nothing_else(self, tmp_path: Path) -> None:
        for name in ("b.jpg", "a/c.PNG", "a/deep/d", ".hidden.jpg", ".git/e.jpg", "f.jpg.part", "Thumbs.db"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
        (tmp_path / "manifest.csv").write_text("filename\n")
        (tmp_path / "a" / "manifest.csv").write_text("only the one at the root is the manifest\n")
        (tmp_path / "link.jpg").symlink_to(tmp_path / "b.jpg")
        (tmp_path / "linked").symlink_to(tmp_path / "a")
        assert [found.filename for found in find_files(tmp_path)] == ["a/c.PNG", "a/deep/d", "a/manifest.csv", "b.jpg"]

    def test_names_that_are_no_utf8_are_escaped(self, tmp_path: Path) -> None:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"x")
        (tmp_path / "straße.jpg").write_bytes(b"x")
        assert [found.filename for found in find_files(tmp_path)] == ["caf\\xe9.jpg", "straße.jpg"]
