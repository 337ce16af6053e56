"""What becomes of a photo's file once its outcome is stored."""

import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from batch_client.sources.local import FoundFile, sha256_of
from batch_client.sources.source import SourceFile

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

    def classified(self, file: SourceFile, sha256: str) -> None:
        """Dispose of a classified photo's file, unless it holds another photo by now.

        Raises:
            OSError: the disk refuses.
        """
        if self.processed is Processed.DELETE and _still_holds(file, sha256):
            file.unlink()
        elif self.processed is Processed.MOVE:
            _move(file, _free_place(_inside(self.processed_folder, file.filename), sha256), sha256)

    def at_fault(self, file: SourceFile, sha256: str, code: str, message: str) -> None:
        """Put a photo that cannot be classified into quarantine, with the reason beside it.

        Raises:
            OSError: the disk refuses.
        """
        place = _free_place(_inside(self.quarantine, file.filename), sha256)
        keeps = self.processed is Processed.KEEP
        if keeps and place.exists():
            return
        reason = place.with_name(f"{place.name}.reason")
        place.parent.mkdir(parents=True, exist_ok=True)
        reason.write_text(f"{code}: {message}\n", encoding="utf-8")  # first: once the photo is there, nobody comes back
        if not (_copy(file, place, sha256) if keeps else _move(file, place, sha256)):
            reason.unlink()


def _inside(folder: Path, filename: str) -> Path:
    """Return the place of a file below a folder.

    A key like ``//b.jpg`` of an object store would lead outside; and where yesterday's ``R-1`` was a photo, today's may
    be a folder.
    """
    *parents, name = (part or "%" for part in filename.split("/"))
    for part in parents:
        folder = folder / part
        if folder.is_file():
            folder = folder.with_name(f"{part}.folder")
    return folder / name


def _still_holds(file: SourceFile, sha256: str) -> bool:
    """Tell whether a file is still the photo that was sent: between the two, another may have taken its name."""
    try:
        return sha256_of(file)[0] == sha256
    except FileNotFoundError:
        return False


def _move(file: SourceFile, place: Path, sha256: str) -> bool:
    """Move a file; false if it is gone or holds another photo by now."""
    if not _still_holds(file, sha256):
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    if not file.rename(place):
        if not _copy(file, place, sha256):
            return False
        file.unlink()
    return True


def _copy(file: SourceFile, place: Path, sha256: str) -> bool:
    """Copy a file, whole or not at all, and safe from a power cut before anybody removes the original.

    Returns:
        False if it is gone or holds another photo by now.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.part")
    digest = hashlib.sha256()
    try:
        with temporary.open("wb") as target:
            for chunk in file.chunks():
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        if digest.hexdigest() != sha256:
            return False
        temporary.replace(place)
    except FileNotFoundError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _free_place(place: Path, sha256: str) -> Path:
    """Return a place that no other photo's file has: yesterday's ``1.jpg`` stays beside today's."""
    if len(os.fsencode(place.name)) > _LONGEST_NAME:
        place = place.with_name(f"{place.stem[:60]}.{sha256[:12]}{place.suffix[:20]}")
    if not place.exists() or (place.is_file() and sha256_of(FoundFile(place, place.name))[0] == sha256):
        return place
    return place.with_name(f"{place.stem}.{sha256[:12]}{place.suffix}")
