"""The folder of desk pictures: written whole, removed whole, by many at once."""

import io
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
from service_client.responses import Picture
from tests.conftest import ROOT
from tests.support.desk_pictures import picture_of
from tests.support.drawn_photos import SHA, encoded, striped
from tests.support.photo_metadata import SECRET, with_secrets


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


SMALL = encoded(striped())
LARGE = encoded(striped((1700, 1200)))


def write(media: MediaStore, sha256: str, photo: bytes) -> bool:
    return media.write(sha256, picture_of(photo), photo)


def names(media: MediaStore) -> list[str]:
    return sorted(path.name for path in media.folder.rglob("*") if path.is_file())


class TestPictures:
    def test_a_small_jpeg_is_its_own_picture_without_metadata(self, media: MediaStore) -> None:
        photo = with_secrets("JPEG")
        assert write(media, SHA, photo)
        picture = media.copy_path(SHA).read_bytes()
        assert SECRET not in picture
        with Image.open(io.BytesIO(picture)) as shown, Image.open(io.BytesIO(photo)) as original:
            assert shown.tobytes() == original.tobytes()

    def test_other_photos_get_the_picture_of_the_service(self, media: MediaStore) -> None:
        picture = picture_of(LARGE)
        assert picture.jpeg is not None
        assert media.write(SHA, picture, LARGE)
        assert media.copy_path(SHA).read_bytes() == picture.jpeg
        assert media.thumbnail_path(SHA).read_bytes() == picture.thumbnail
        assert media.copy_path(SHA) == media.folder / "ab" / f"{SHA}.jpg"

    def test_what_is_no_jpeg_leaves_nothing(self, media: MediaStore) -> None:
        assert not media.write(SHA, Picture(b"thumbnail", None, 1), encoded(striped(), "PNG"))
        assert not media.exists(SHA)
        assert not media.folder.exists()

    @pytest.mark.parametrize("name", ["", "../../etc/passwd", "AB" * 32, "ab" * 31, "ab" * 32 + "\n", "*" * 64])
    def test_names_that_are_no_sha256_are_refused(self, media: MediaStore, name: str) -> None:
        calls: list[Callable[[], object]] = [
            lambda: media.write(name, picture_of(SMALL), SMALL),
            lambda: media.remove([name]),
            lambda: media.exists(name),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="sha256"):
                call()


class TestDisk:
    def test_what_is_there_is_not_written_again(self, media: MediaStore) -> None:
        photo = encoded(striped())
        assert write(media, SHA, photo)
        copy = media.copy_path(SHA).stat()
        media.thumbnail_path(SHA).unlink()
        assert not media.exists(SHA)
        assert write(media, SHA, photo)
        assert media.exists(SHA)
        after = media.copy_path(SHA).stat()
        assert (after.st_ino, after.st_mtime_ns) == (copy.st_ino, copy.st_mtime_ns)
        assert media.write(SHA, Picture(b"", None, 1), b"not looked at")

    def test_a_full_disk_is_reported_and_leaves_no_half_picture(self, media: MediaStore) -> None:
        with largest_file(3000), pytest.raises(OSError, match="large"):
            write(media, SHA, encoded(striped((800, 800))))
        assert list(media.folder.rglob("*.*")) == []
        assert write(media, SHA, encoded(striped((800, 800))))

    def test_a_folder_that_cannot_be_made_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(OSError, match="file"):
            write(MediaStore(tmp_path / "file" / "media"), SHA, SMALL)

    def test_others_may_read_what_the_umask_allows(self, media: MediaStore) -> None:
        before = os.umask(0o022)
        try:
            assert write(media, SHA, encoded(striped()))
        finally:
            os.umask(before)
        assert media.copy_path(SHA).stat().st_mode & 0o777 == 0o644

    def test_remove_takes_everything_of_that_photo_and_nothing_else(self, media: MediaStore) -> None:
        other = "ab" * 31 + "ac"
        for sha256 in (SHA, other):
            assert write(media, sha256, SMALL)
        (media.folder / "ab" / f".{SHA}.jpg.0123abcd.tmp").write_bytes(b"half a picture, left by a kill")
        assert media.remove([SHA]) == 3
        assert media.remove([SHA]) == 0
        assert media.remove(["cd" * 32]) == 0
        assert media.exists(other)
        assert names(media) == [f"{other}.jpg", f"{other}.thumb.jpg"]

    def test_many_are_removed_at_once(self, media: MediaStore) -> None:
        stored = [f"{folder}{number:062x}" for folder in ("ab", "cd") for number in range(20)]
        for sha256 in stored:
            assert write(media, sha256, SMALL)
        with pytest.raises(ValueError, match="sha256"):
            media.remove([*stored, "ab"])
        assert len(names(media)) == 80
        assert media.remove([*stored[1:], stored[-1]]) == 78
        assert names(media) == [f"{stored[0]}.jpg", f"{stored[0]}.thumb.jpg"]

    def test_threads_may_meet_the_same_photo(self, media: MediaStore) -> None:
        photo, together = encoded(striped((900, 900))), threading.Barrier(8)

        def write_together(_: int) -> bool:
            together.wait()
            return write(media, SHA, photo)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(write_together, range(8)))
        assert sorted(path.name for path in (media.folder / "ab").iterdir()) == [f"{SHA}.jpg", f"{SHA}.thumb.jpg"]
        with Image.open(media.copy_path(SHA)) as image:
            image.load()

    def test_a_killed_process_leaves_whole_pictures_only(self, media: MediaStore, tmp_path: Path) -> None:
        (tmp_path / "photo.jpg").write_bytes(encoded(striped((600, 800))))
        program = (
            "import hashlib, sys; from pathlib import Path; from batch_client.pipeline.pictures import MediaStore\n"
            "from tests.support.desk_pictures import picture_of\n"
            "photo = Path(sys.argv[1]).read_bytes()\n"
            "picture = picture_of(photo)\n"
            "for number in range(10**6):\n"
            "    sha256 = hashlib.sha256(str(number).encode()).hexdigest()\n"
            "    MediaStore(Path(sys.argv[2])).write(sha256, picture, photo)\n"
            "    print(number, flush=True)\n"
        )
        command = [sys.executable, "-c", program, str(tmp_path / "photo.jpg"), str(media.folder)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(12):
                assert process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        pictures = list(media.folder.glob("*/[0-9a-f]*.jpg"))
        assert len(pictures) >= 24
        for path in pictures:
            with Image.open(path) as image:
                image.load()
