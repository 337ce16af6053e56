"""Which files of a source shall be classified; and the source that is a folder."""

import errno
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, TypeVar

from batch_client.errors import SourceError
from batch_client.sources.manifest import FILE_NAME as MANIFEST
from batch_client.sources.source import CHUNK, SourceFile, State

_TEMPORARY_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", ".download", ".swp", "~")
SETTLE_SECONDS = 1.0
_NOT_FOR_PEOPLE = frozenset({"thumbs.db", "desktop.ini"})
_FOLDER_READERS = 2  # threads that hash: more only get into each other's way on a disk

File = TypeVar("File", bound=SourceFile)


@dataclass(frozen=True)
class FoundFile:
    """One file of a folder; see :class:`~batch_client.sources.source.SourceFile`.

    Attributes:
        path: where it lies.
    """

    path: Path
    filename: str
    state_is_proof: ClassVar[bool] = True

    def chunks(self) -> Iterator[bytes]:
        """Read it as a stream."""
        with self.path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def state(self) -> State | None:
        """Return size, time of modification and of change in nanoseconds, and inode."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino

    def watch(self) -> tuple[State | None, float]:
        """Return its state; it has to stay so where it was changed within the last second."""
        state = self.state()
        age = time.time() - state[1] / 1e9 if state is not None else SETTLE_SECONDS
        return state, SETTLE_SECONDS - age if 0 <= age < SETTLE_SECONDS else 0.0  # a time in the future says nothing

    def rename(self, place: Path) -> bool:
        """Move it; false where the place is on another file system."""
        try:
            self.path.replace(place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
        return True

    def unlink(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)


class Folder:
    """A folder of photos as a :class:`~batch_client.sources.source.Source`."""

    readers = _FOLDER_READERS
    is_nowhere = False

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self.name = printable(str(self._path))

    def files(self) -> Iterator[FoundFile]:
        """Walk it; see :func:`find_files`."""
        return find_files(self._path)

    def open_manifest(self, name: str) -> BinaryIO | None:
        """Open a CSV file in the root."""
        path = self._path / name
        return path.open("rb") if path.is_file() else None

    def contains(self, path: Path) -> bool:
        """Tell whether a path lies inside."""
        return path.resolve().is_relative_to(self._path)

    def close(self) -> None:
        """Nothing is open."""


def find_files(source: Path) -> Iterator[FoundFile]:
    """Walk a folder tree in a fixed order and yield every regular file that may be a photo.

    Whether it is one, the service decides: a name proves nothing. Hidden and temporary files and the manifest are
    left out; symbolic links are not followed.

    A folder below that cannot be listed is yielded itself: it cannot be read either, and so is reported.

    Raises:
        SourceError: it is no folder, or cannot be listed; raised at once, not at the first step.
    """
    if not source.is_dir():
        raise SourceError(f"{printable(str(source))} is no folder. Name the folder with the photos, or set INBOX.")
    try:
        return _walk(source, _entries(source))
    except OSError as error:
        raise SourceError(f"{printable(str(source))} cannot be listed: {error.strerror}.") from error


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as listing:
        return sorted(listing, key=lambda entry: entry.name)


def _walk(source: Path, entries: list[os.DirEntry[str]]) -> Iterator[FoundFile]:
    for entry in entries:
        if is_ignored(entry.name):
            continue
        path = Path(entry.path)
        found = FoundFile(path, printable(path.relative_to(source).as_posix()))
        if entry.is_dir(follow_symlinks=False):
            try:
                below = _entries(path)
            except OSError:
                yield found
                continue
            yield from _walk(source, below)
        elif entry.is_file(follow_symlinks=False) and found.filename != MANIFEST:
            yield found


def is_ignored(name: str) -> bool:
    """Tell whether a file, or a folder with all in it, is hidden or temporary."""
    lowered = name.lower()
    return name.startswith(".") or lowered.endswith(_TEMPORARY_SUFFIXES) or lowered in _NOT_FOR_PEOPLE


def printable(name: str) -> str:
    """Return a name with bytes that are no UTF-8 as ``\\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def sha256_of(file: SourceFile) -> tuple[str, int]:
    """Return a file's sha256 as hex and its size in bytes, read as a stream.

    Raises:
        OSError: it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    for chunk in file.chunks():
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def settle(files: Sequence[File], readers: Executor) -> list[File]:
    """Return the files that nobody is writing: size and time stayed the same for a second.

    Waits only where one may have been changed within the last second. A file that cannot be looked at counts as
    settled; reading it will say why.
    """
    watched = [file.watch() for file in files]
    time.sleep(max((seconds for _, seconds in watched), default=0.0))
    states = readers.map(lambda file: file.state(), files)
    return [file for file, (before, _), now in zip(files, watched, states, strict=True) if now is None or now == before]
