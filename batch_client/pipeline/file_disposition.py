"""What happens to the file of a photo after its outcome is stored."""

import hashlib
import os
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from batch_client.pipeline.photo import Photo
from batch_client.sources.local import FoundFile
from batch_client.sources.source import sha256_of

_LONGEST_NAME = 220  # bytes; file systems take 255, and a hash or an ending is added to a name
_LONGEST_POSSIBLE = 255  # bytes


class Processed(StrEnum):
    """What happens to the file of a classified photo."""

    KEEP = "keep"
    MOVE = "move"
    DELETE = "delete"


@dataclass(frozen=True)
class FileDisposition:
    """Moves, copies or deletes files. Every step is idempotent: after a kill the next run repeats it safely.

    Attributes:
        processed: what happens to the files of classified photos.
        processed_folder: where they are moved, with the same relative path as in the source.
        quarantine: where rejected photos go, each with a ``.reason`` file: as copies if classified photos are kept,
            otherwise the files themselves.
        longest_tick_s: seconds of the coarsest clock of a file system; FAT has 2 seconds.
    """

    processed: Processed
    processed_folder: Path
    quarantine: Path
    longest_tick_s: float = 2.5
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)  # two files may want the same place

    def leaves(self, rejection: str | None) -> bool:
        """Return whether there is nothing to do for the file of a photo."""
        return rejection is None and self.processed is Processed.KEEP

    def put_away(self, photo: Photo, rejection: str | None) -> None:
        """Move, copy or delete the file of a photo, unless it holds other bytes by now.

        Args:
            photo: its outcome is stored.
            rejection: why it was rejected; None if it is classified.

        Raises:
            OSError: the disk refuses, or the file cannot be read.
        """
        with self._one_at_a_time:
            if rejection is not None:
                self._quarantine(photo, rejection)
            elif self.processed is Processed.MOVE:
                self._move(photo, _free_place(_inside(self.processed_folder, photo.file.filename), photo.key.sha256))
            elif self.processed is Processed.DELETE and self._still_holds(photo):
                photo.file.unlink()

    def _quarantine(self, photo: Photo, rejection: str) -> None:
        place = _free_place(_inside(self.quarantine, photo.file.filename), photo.key.sha256)
        is_copy = self.processed is Processed.KEEP
        if is_copy and place.exists():
            return
        note = place.with_name(f"{place.name}.reason")
        place.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(
            f"{rejection}\n", encoding="utf-8"
        )  # before the photo: once that is there, no run returns to it
        if not (_copy(photo, place) if is_copy else self._move(photo, place)):
            note.unlink()

    def _still_holds(self, photo: Photo) -> bool:
        """Return whether a file still holds the bytes that were classified. Another photo may have taken its name.

        The state of a local file proves it without another read: each write changes its inode or its time of change.
        Source: stat(3type), st_ctim. That does not hold for a write within the same tick of the file system's clock, so
        a file that had just changed when it was read is read again.
        """
        file = photo.file
        state = file.state()
        if file.state_is_proof and state is not None and state == photo.state:
            changed_at = state[2] / 1e9
            if photo.read_at - changed_at > self.longest_tick_s:
                return True
        try:
            return sha256_of(file)[0] == photo.key.sha256
        except FileNotFoundError:
            return False

    def _move(self, photo: Photo, place: Path) -> bool:
        """Move a file; False if it is gone or holds other bytes by now."""
        file = photo.file
        place.parent.mkdir(parents=True, exist_ok=True)
        if not self._still_holds(photo):
            return False
        if not file.rename(place):
            if not _copy(photo, place):
                return False
            file.unlink()
        return True


def _inside(folder: Path, filename: str) -> Path:
    """Return the path of a file below a folder.

    A key such as ``//b.jpg`` of an object store must not lead outside. A folder may have the name of an earlier photo.
    """
    *parents, name = (part or "%" for part in filename.split("/"))
    for part in parents:
        folder = folder / part
        if folder.is_file():
            folder = folder.with_name(f"{part}.folder")
    return folder / name


def places_of(folder: Path, filename: str, sha256: str) -> list[Path]:
    """Return every path below a folder where :meth:`FileDisposition.put_away` may have put a photo."""
    *parents, name = (part or "%" for part in filename.split("/"))
    folders = [folder]
    for part in parents:
        named = (each / name for each in folders for name in (part, f"{part}.folder"))
        folders = [path for path in named if path.is_dir()]
    plain = Path(name)
    shortened = Path(_shortened(plain, sha256)) if len(os.fsencode(name)) > _LONGEST_NAME else plain
    names = {name, str(shortened), _beside(plain, sha256), _beside(shortened, sha256)}
    return [each / name for each in folders for name in sorted(names) if len(os.fsencode(name)) <= _LONGEST_POSSIBLE]


def _copy(photo: Photo, place: Path) -> bool:
    """Copy a file atomically. The copy survives a power cut before anybody removes the original.

    The bytes come from memory if they are still held there.

    Returns:
        False if the file is gone or holds other bytes by now.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.part")
    digest = hashlib.sha256()
    try:
        with temporary.open("wb") as target:
            for chunk in (photo.data,) if photo.held_size else photo.file.chunks():
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        if digest.hexdigest() != photo.key.sha256:
            return False
        temporary.replace(place)
        _sync(place.parent)
    except FileNotFoundError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _sync(folder: Path) -> None:
    """Make a new name in a folder, and the folder itself, survive a power cut. Source: fsync(2), of the directory."""
    for each in (folder, folder.parent):
        descriptor = os.open(each, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _free_place(place: Path, sha256: str) -> Path:
    """Return a path that no file of another photo has: an earlier ``1.jpg`` stays beside a new one."""
    if len(os.fsencode(place.name)) > _LONGEST_NAME:
        place = place.with_name(_shortened(place, sha256))
    if not place.exists() or (place.is_file() and sha256_of(FoundFile(place, place.name))[0] == sha256):
        return place
    return place.with_name(_beside(place, sha256))


def _shortened(place: Path, sha256: str) -> str:
    return f"{place.stem[:60]}.{sha256[:12]}{place.suffix[:20]}"


def _beside(place: Path, sha256: str) -> str:
    """Return the name of a file that has to lie beside another photo of the same name."""
    return f"{place.stem}.{sha256[:12]}{place.suffix}"
