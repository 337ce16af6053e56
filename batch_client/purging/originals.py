"""Find and remove the original files of photos: put away by a run, or still in a local source."""

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batch_client.pipeline.file_disposition import places_of
from batch_client.sources.local import FoundFile
from batch_client.sources.source import sha256_of
from results.retention import Doomed


@dataclass
class SourcesLeft:
    """Photos whose original stays in the source.

    Attributes:
        local: how many lie in a folder of this machine, by source.
        remote: how many were read from another machine or store, by source.
    """

    local: dict[str, int] = field(default_factory=dict)
    remote: dict[str, int] = field(default_factory=dict)


class Originals:
    """The original files of photos.

    Args:
        folders: of files that runs put away: ``PROCESSED_DIR`` and ``QUARANTINE_DIR``.
        removes_from_source: remove the files in a local source, too.
    """

    def __init__(self, folders: Sequence[Path], removes_from_source: bool) -> None:
        self._folders = folders
        self._removes_from_source = removes_from_source
        self.left = SourcesLeft()

    def find(self, doomed: Sequence[Doomed], kept: Collection[tuple[str, str]]) -> list[Path]:
        """Return the files of photos; each holds the bytes that were classified.

        Args:
            doomed: the photos.
            kept: pairs of filename and sha256 of photos that stay; their files stay, too.
        """
        found: dict[Path, None] = {}
        for photo in doomed:
            if photo.sha256 and (photo.filename, photo.sha256) not in kept:
                found |= dict.fromkeys(self._put_away(photo))
            found |= dict.fromkeys(self._in_source(photo))
        return list(found)

    def remove(self, path: Path) -> None:
        """Remove a file with the reason beside it, and the folders below ours that are empty then.

        Raises:
            OSError: it cannot be removed.
        """
        path.unlink(missing_ok=True)
        note_of(path).unlink(missing_ok=True)
        _sync(path.parent)
        for root in self._folders:
            if path.is_relative_to(root):
                _remove_empty(path.parent, root)

    def _put_away(self, photo: Doomed) -> Iterator[Path]:
        for folder in self._folders:
            for place in places_of(folder, photo.filename, photo.sha256):
                if _holds(FoundFile(place, place.name), photo.sha256):
                    yield place

    def _in_source(self, photo: Doomed) -> Iterator[Path]:
        root = Path(photo.source)
        if not root.is_absolute():
            self.left.remote[photo.source] = self.left.remote.get(photo.source, 0) + 1
            return
        path = root / photo.filename
        if not path.is_file():
            return
        if self._removes_from_source and photo.sha256 and _holds(FoundFile(path, photo.filename, root), photo.sha256):
            yield path
        else:
            self.left.local[photo.source] = self.left.local.get(photo.source, 0) + 1


def note_of(path: Path) -> Path:
    """Return where the reason lies why a photo is in quarantine."""
    return path.with_name(f"{path.name}.reason")


def _holds(file: FoundFile, sha256: str) -> bool:
    """Return whether a regular file holds these bytes; False if it is not there or cannot be read."""
    try:
        return file.path.is_file() and sha256_of(file)[0] == sha256
    except OSError:
        return False


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove folders up to a root as long as they are empty: their names may be those of returns."""
    with contextlib.suppress(OSError):  # not empty
        while folder != root:
            folder.rmdir()
            folder = folder.parent


def _sync(folder: Path) -> None:
    """Make a removal survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
