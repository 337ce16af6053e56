"""What becomes of a photo's file once its outcome is stored."""

import errno
import os
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from batch_client.intake import FoundFile, sha256_of

_LONGEST_NAME = 220  # bytes; file systems take 255, and a name gets a hash or an ending added


class Processed(StrEnum):
    """What becomes of a file whose photo is classified."""

    KEEP = "keep"
    MOVE = "move"
    DELETE = "delete"


@dataclass(frozen=True)
class Disposal:
    """Moves, copies or deletes files; doing so again, after a kill in between, changes nothing.

    Attributes:
        processed: what becomes of classified photos.
        processed_folder: where they are moved, at the same path as in the source.
        quarantine: where photos that are at fault themselves go, each with a ``.reason`` beside it: as copies if
            classified photos are kept, else as the files themselves.
    """

    processed: Processed
    processed_folder: Path
    quarantine: Path

    def classified(self, file: FoundFile, sha256: str) -> None:
        """Dispose of a classified photo's file, unless it holds another photo by now.

        Raises:
            OSError: the disk refuses.
        """
        if self.processed is Processed.KEEP or not _still_holds(file.path, sha256):
            return
        if self.processed is Processed.DELETE:
            file.path.unlink(missing_ok=True)
        else:
            _move(file.path, _free_place(self.processed_folder / file.filename, sha256))

    def at_fault(self, file: FoundFile, sha256: str, code: str, message: str) -> None:
        """Put a photo that cannot be classified into quarantine, with the reason beside it.

        Raises:
            OSError: the disk refuses.
        """
        place = _free_place(self.quarantine / file.filename, sha256)
        keeps = self.processed is Processed.KEEP
        if (keeps and place.exists()) or not _still_holds(file.path, sha256):
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_name(f"{place.name}.reason").write_text(f"{code}: {message}\n", encoding="utf-8")
        if keeps:
            _copy(file.path, place)
        else:
            _move(file.path, place)


def _still_holds(path: Path, sha256: str) -> bool:
    """Tell whether a file is still the photo that was sent: between the two, another may have taken its name."""
    try:
        return sha256_of(path)[0] == sha256
    except FileNotFoundError:
        return False


def _move(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(path, place)  # another file system
        path.unlink()


def _copy(path: Path, place: Path) -> None:
    """Copy a file, whole or not at all, and safe from a power cut before anybody removes the original."""
    temporary = place.with_name(f".{place.name}.part")
    with path.open("rb") as source, temporary.open("wb") as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    temporary.replace(place)


def _free_place(place: Path, sha256: str) -> Path:
    """Return a place that no other photo's file has: yesterday's ``1.jpg`` stays beside today's."""
    if len(os.fsencode(place.name)) > _LONGEST_NAME:
        place = place.with_name(f"{place.stem[:60]}.{sha256[:12]}{place.suffix[:20]}")
    if not place.exists() or sha256_of(place)[0] == sha256:
        return place
    return place.with_name(f"{place.stem}.{sha256[:12]}{place.suffix}")
