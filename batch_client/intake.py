"""The files of a folder that shall be classified."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "manifest.csv"
_TEMPORARY_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", ".download", ".swp", "~")
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


class SourceError(ValueError):
    """The source cannot be read; the message names it and the remedy."""


def find_files(source: Path) -> Iterator[FoundFile]:
    """Walk a folder tree in a fixed order and yield every regular file that may be a photo.

    Whether it is one, the service decides: a name proves nothing. Hidden and temporary files and the manifest are
    left out; symbolic links are not followed.

    Raises:
        SourceError: it is no folder, or cannot be listed.
    """
    if not source.is_dir():
        raise SourceError(f"{source} is no folder. Name the folder with the photos, or set INBOX.")
    yield from _walk(source, source)


def _walk(source: Path, folder: Path) -> Iterator[FoundFile]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"{folder} cannot be listed: {error.strerror}. Check its permissions.") from error
    for entry in entries:
        if _is_ignored(entry.name):
            continue
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(source, path)
        elif entry.is_file(follow_symlinks=False) and not (folder == source and entry.name == MANIFEST):
            yield FoundFile(path, _printable(path.relative_to(source).as_posix()))


def _is_ignored(name: str) -> bool:
    lowered = name.lower()
    return name.startswith(".") or lowered.endswith(_TEMPORARY_SUFFIXES) or lowered in _NOT_FOR_PEOPLE


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def sha256_of(path: Path) -> tuple[str, int]:
    """Return a file's sha256 as hex and its size in bytes, read as a stream.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()
