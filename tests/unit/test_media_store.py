"""The folder of desk pictures: written whole, removed whole, by many at once."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from batch_client.pipeline.pictures import MediaStore
from tests.support.drawn_photos import SHA, encoded, striped


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the kernel refuse longer files, as a full disk does, in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def noting(notes: list[object], function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the function, so that each call adds its argument to the notes."""

    def noted(argument: Any) -> Any:
        notes.append(argument)
        return function(argument)

    return noted


class TestDisk:
    def test_what_is_there_is_not_written_again(self, media: MediaStore) -> None:
        photo = encoded(striped())
        assert media.write(SHA, photo)
        copy = media.copy_path(SHA).stat()
        media.thumbnail_path(SHA).unlink()
        assert not media.exists(SHA)
        assert media.write(SHA, photo)
        assert media.exists(SHA)
        after = media.copy_path(SHA).stat()
        assert (after.st_ino, after.st_mtime_ns) == (copy.st_ino, copy.st_mtime_ns)
        assert media.write(SHA, b"not looked at")

    def test_a_full_disk_is_reported_and_leaves_no_half_picture(self, media: MediaStore) -> None:
        with largest_file(3000), pytest.raises(OSError, match="large"):
            media.write(SHA, encoded(striped((800, 800))))
        assert list(media.folder.rglob("*.*")) == []
        assert media.write(SHA, encoded(striped((800, 800))))

    def test_a_folder_that_cannot_be_made_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(OSError, match="file"):
            MediaStore(tmp_path / "file" / "media").write(SHA, encoded(striped()))

    def test_others_may_read_what_the_umask_allows(self, media: MediaStore) -> None:
        before = os.umask(0o022)
        try:
            assert media.write(SHA, encoded(striped()))
        finally:
            os.umask(before)
        assert media.copy_path(SHA).stat().st_mode & 0o777 == 0o644

    def test_remove_takes_everything_of_that_photo_and_nothing_else(self, media: MediaStore) -> None:
        other = "ab" * 31 + "ac"
        for sha256 in (SHA, other):
            assert media.write(sha256, encoded(striped()))
        (media.folder / "ab" / f".{SHA}.jpg.0123abcd.tmp").write_bytes(b"half a picture, left by a kill")
        assert media.remove([SHA]) == 3
        assert media.remove([SHA]) == 0
        assert media.remove(["cd" * 32]) == 0
        assert media.exists(other)
        assert list(media) == [other]

    def test_many_are_removed_folder_by_folder(self, media: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """A purge removes hundreds while the desk waits for it: each folder is read and synced once, not each photo."""
        stored = [f"{folder}{number:062x}" for folder in ("ab", "cd") for number in range(20)]
        for sha256 in stored:
            assert media.write(sha256, encoded(striped((9, 9))))
        with pytest.raises(ValueError, match="sha256"):
            media.remove([*stored, "ab"])
        assert list(media) == stored
        synced: list[object] = []
        read: list[object] = []
        fsync, scandir, listdir = os.fsync, os.scandir, os.listdir
        monkeypatch.setattr(os, "fsync", noting(synced, fsync))
        monkeypatch.setattr(os, "scandir", noting(read, scandir))
        monkeypatch.setattr(os, "listdir", noting(read, listdir))
        assert media.remove([*stored[1:], stored[-1]]) == 78
        monkeypatch.undo()
        assert (len(synced), len(read)) == (2, 2)
        assert list(media) == stored[:1]

    def test_iteration_gives_each_photo_once(self, media: MediaStore) -> None:
        assert list(media) == []
        stored = [hashlib.sha256(bytes([number])).hexdigest() for number in range(5)]
        for sha256 in stored:
            assert media.write(sha256, encoded(striped()))
        left = "00" * 32
        (media.folder / "00").mkdir(exist_ok=True)
        (media.folder / "00" / f".{left}.jpg.0123abcd.tmp").write_bytes(b"")
        (media.folder / "00" / "00-notes.txt").write_bytes(b"")
        assert list(media) == sorted([*stored, left])

    def test_threads_may_meet_the_same_photo(self, media: MediaStore) -> None:
        photo, together = encoded(striped((900, 900))), threading.Barrier(8)

        def write(_: int) -> bool:
            together.wait()
            return media.write(SHA, photo)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(write, range(8)))
        assert sorted(path.name for path in (media.folder / "ab").iterdir()) == [f"{SHA}.jpg", f"{SHA}.thumb.jpg"]
        with Image.open(media.copy_path(SHA)) as image:
            image.load()

    def test_a_killed_process_leaves_whole_pictures_only(self, media: MediaStore, tmp_path: Path) -> None:
        (tmp_path / "photo.jpg").write_bytes(encoded(striped((600, 800))))
        program = (
            "import hashlib, sys; from pathlib import Path; from batch_client.pipeline.pictures import MediaStore\n"
            "photo = Path(sys.argv[1]).read_bytes()\n"
            "for number in range(10**6):\n"
            "    MediaStore(Path(sys.argv[2])).write(hashlib.sha256(str(number).encode()).hexdigest(), photo)\n"
            "    print(number, flush=True)\n"
        )
        command = [sys.executable, "-c", program, str(tmp_path / "photo.jpg"), str(media.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(12):
                assert process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        pictures = list(media.folder.glob("*/[0-9a-f]*.jpg"))
        assert len(pictures) >= 24
        for path in pictures:
            with Image.open(path) as image:
                image.load()
