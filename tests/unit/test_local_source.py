"""Which files of a folder count as photos, and that only those are read."""

import os
from pathlib import Path

import pytest

from batch_client.sources.local import Folder
from batch_client.sources.names import LIVE_VIDEO, IgnoreRules


def names(folder: Path, *more: str) -> list[str]:
    return [found.filename for found in Folder(folder, IgnoreRules(*more)).files()]


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")


class TestIntake:
    def test_finds_photos_in_every_folder_and_nothing_else(self, tmp_path: Path) -> None:
        write(tmp_path, "b.jpg", "a/c.PNG", "a/deep/d", ".hidden.jpg", ".git/e.jpg", "f.jpg.part", "Thumbs.db")
        (tmp_path / "manifest.csv").write_text("filename\n")
        (tmp_path / "a" / "manifest.csv").write_text("only the one at the root is the manifest\n")
        (tmp_path / "link.jpg").symlink_to(tmp_path / "b.jpg")
        (tmp_path / "linked").symlink_to(tmp_path / "a")
        assert names(tmp_path) == ["a/c.PNG", "a/deep/d", "a/manifest.csv", "b.jpg"]

    def test_names_that_are_no_utf8_are_escaped(self, tmp_path: Path) -> None:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"x")
        write(tmp_path, "straße.jpg")
        assert names(tmp_path) == ["caf\\xe9.jpg", "straße.jpg"]

    def test_folders_nest_deeper_than_calls(self, tmp_path: Path) -> None:
        deep = tmp_path
        for _ in range(1_000):
            deep /= "d"
            deep.mkdir()
        (deep / "a.jpg").write_bytes(b"x")
        (found,) = Folder(tmp_path).files()
        assert found.filename == "d/" * 1_000 + "a.jpg"
        assert b"".join(found.chunks()) == b"x"

    def test_a_folder_too_deep_to_be_listed_is_named(self, tmp_path: Path) -> None:
        """Beyond 4,096 bytes a path cannot be given to the system."""
        write(tmp_path, "z.jpg")
        descriptor = os.open(tmp_path, os.O_DIRECTORY)
        for _ in range(25):
            os.mkdir("d" * 200, dir_fd=descriptor)
            inner = os.open("d" * 200, os.O_DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        os.close(descriptor)
        unlisted, last = Folder(tmp_path).files()
        assert unlisted.filename.startswith("ddd")
        assert last.filename == "z.jpg"
        with pytest.raises(OSError, match="the folder cannot be listed: File name too long"):
            list(unlisted.chunks())


class TestIgnored:
    def test_what_a_nas_windows_or_a_phone_adds_is_counted_and_not_read(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            *("dress.jpg", "@eaDir/dress.jpg/SYNO_THUMB_M.jpg", "#recycle/old.jpg", "sub/@Recycle/old.jpg"),
            *("$RECYCLE.BIN/S-1/old.jpg", "System Volume Information/x", "lost+found/y", "__MACOSX/._a.jpg"),
            *("SYNOPHOTO_THUMB_XL.jpg", "IMG_1.AAE", "IMG_1.xmp", "~$list.xlsx", "IMG_2.JPG.filepart"),
            *("a.jpg:Zone.Identifier", "ehthumbs.db", "b.jpg.!ut", "b.jpg.opdownload", "recycler.jpg", "@home.jpg"),
        )
        folder = Folder(tmp_path)
        assert [file.filename for file in folder.files()] == ["@home.jpg", "dress.jpg", "recycler.jpg"]
        assert folder.ignored == {
            **dict.fromkeys(("@eaDir", "#recycle", "@Recycle", "$RECYCLE.BIN", "System Volume Information"), 1),
            **dict.fromkeys(("lost+found", "__MACOSX", "SYNO*_THUMB_*", "*.aae", "*.xmp", "~$*", "*.filepart"), 1),
            **dict.fromkeys(("*:Zone.Identifier", "ehthumbs.db", "*.!ut", "*.opdownload"), 1),
        }

    def test_the_video_of_a_live_photo_is_ignored_and_no_other(self, tmp_path: Path) -> None:
        write(
            tmp_path, "IMG_1.HEIC", "IMG_1.MOV", "IMG_2.mov", "IMG_3.jpg", "IMG_3.MOV", "sub/IMG_1.mov", "IMG_4.MOV.jpg"
        )
        folder = Folder(tmp_path)
        assert [file.filename for file in folder.files()] == [
            "IMG_1.HEIC", "IMG_2.mov", "IMG_3.jpg", "IMG_4.MOV.jpg", "sub/IMG_1.mov",
        ]  # fmt: skip
        assert folder.ignored == {LIVE_VIDEO: 2}

    def test_more_patterns_match_files_and_folders_in_any_case(self, tmp_path: Path) -> None:
        write(tmp_path, "a.jpg", "B.PDF", "Proofs/c.jpg", "proofs.jpg")
        assert names(tmp_path, "*.pdf", "proofs") == ["a.jpg", "proofs.jpg"]


class TestSwapped:
    """Whoever may write into the folder swaps a file between its listing and its reading."""

    @pytest.mark.parametrize("what", ["link", "pipe", "link to the folder"])
    def test_only_a_regular_file_is_read(self, tmp_path: Path, what: str) -> None:
        write(tmp_path, "secret/a.jpg", "inbox/sub/a.jpg")
        (found,) = Folder(tmp_path / "inbox").files()
        path = tmp_path / "inbox" / "sub" / "a.jpg"
        path.unlink()
        if what == "link":
            path.symlink_to(tmp_path / "secret" / "a.jpg")
        elif what == "pipe":
            os.mkfifo(path)
        else:
            path.parent.rmdir()
            path.parent.symlink_to(tmp_path / "secret")
        with pytest.raises(OSError, match=r"symbolic link has taken its place|not a regular file"):
            list(found.chunks())
