"""The files of a folder that shall be classified."""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batch_client.errors import SourceError
from batch_client.manifest import FILE_NAME as MANIFEST

_TEMPORARY_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", ".download", ".swp", "~")
_SETTLE_SECONDS = 1.0
_NOT_FOR_PEOPLE = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class FoundFile:
    """One file of a source.

    Attributes:
        path: where it lies.
        filename: relative to the source, with ``/``; bytes that are no UTF-8 as ``\\xNN``.
    """

    path: Path
    filename: str


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
        if _is_ignored(entry.name):
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


def _is_ignored(name: str) -> bool:
    lowered = name.lower()
    return name.startswith(".") or lowered.endswith(_TEMPORARY_SUFFIXES) or lowered in _NOT_FOR_PEOPLE


def printable(name: str) -> str:
    """Return a name with bytes that are no UTF-8 as ``\\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def sha256_of(path: Path) -> tuple[str, int]:
    """Return a file's sha256 as hex and its size in bytes, read as a stream.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()


def settle(files: list[FoundFile]) -> list[FoundFile]:
    """Return the files that nobody is writing: size and time stayed the same for a second.

    Waits only where one was changed within the last second. A file that cannot be looked at counts as settled; reading
    it will say why.
    """
    before = {file: _state(file.path) for file in files}
    ages = [time.time() - state[1] / 1e9 for state in before.values() if state is not None]
    young = [age for age in ages if 0 <= age < _SETTLE_SECONDS]  # a time in the future says nothing
    if not young:
        return files
    time.sleep(_SETTLE_SECONDS - min(young))
    return [file for file in files if _state(file.path) == before[file]]


def _state(path: Path) -> tuple[int, int] | None:
    """Return size and time of change, nanoseconds."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
