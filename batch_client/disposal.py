"""What becomes of a photo's file once its outcome is stored."""

import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from batch_client.errors import UsageError
from batch_client.intake import FoundFile, sha256_of


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

    def check(self, source: Path) -> None:
        """Refuse folders inside the source: the next run would take them for new photos.

        Raises:
            UsageError: one of them is; the message names it.
        """
        for name, folder in (("PROCESSED_DIR", self.processed_folder), ("QUARANTINE_DIR", self.quarantine)):
            if folder.resolve().is_relative_to(source.resolve()):
                raise UsageError(f"{name} ({folder}) lies inside the source {source}; name a folder elsewhere")

    def classified(self, file: FoundFile, sha256: str) -> None:
        """Dispose of a classified photo's file.

        Raises:
            OSError: the disk refuses.
        """
        if self.processed is Processed.DELETE:
            file.path.unlink(missing_ok=True)
        elif self.processed is Processed.MOVE:
            _move(file.path, _free_place(self.processed_folder / file.filename, sha256))

    def at_fault(self, file: FoundFile, sha256: str, code: str, message: str) -> None:
        """Put a photo that cannot be classified into quarantine, with the reason beside it.

        Raises:
            OSError: the disk refuses.
        """
        place = _free_place(self.quarantine / file.filename, sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_name(f"{place.name}.reason").write_text(f"{code}: {message}\n", encoding="utf-8")
        if self.processed is Processed.KEEP:
            temporary = place.with_name(f".{place.name}.part")
            shutil.copyfile(file.path, temporary)
            temporary.replace(place)
        else:
            _move(file.path, place)


def _move(path: Path, place: Path) -> None:
    if not path.exists():
        return  # moved before a kill
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.replace(place)
    except OSError:  # another file system
        shutil.copyfile(path, place)
        path.unlink()


def _free_place(place: Path, sha256: str) -> Path:
    """Return a place that no other photo's file has: yesterday's ``1.jpg`` stays beside today's."""
    if not place.exists() or sha256_of(place)[0] == sha256:
        return place
    return place.with_name(f"{place.stem}.{sha256[:12]}{place.suffix}")
