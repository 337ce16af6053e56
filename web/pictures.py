"""Photos by their id, from the copies without EXIF that the batch client keeps."""

from pathlib import Path
from typing import Any, Literal

from results.media_layout import copy_path, thumbnail_path

Size = Literal["picture", "thumbnail"]
_LAYOUT = {"picture": copy_path, "thumbnail": thumbnail_path}


class Pictures:
    """The folder of copies.

    Args:
        folder: ``MEDIA_DIR``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, sha256: str, size: Size) -> Path | None:
        """Return the path of a photo's copy; None if there is none.

        The hash comes from our own table, but it becomes part of a path, so the layout checks it all the same.
        """
        try:
            path = _LAYOUT[size](self._folder, sha256)
        except ValueError:
            return None
        return path if path.is_file() else None

    def with_picture_flags(self, photos: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Add ``picture`` to each photo: whether there is a picture of it."""
        return [{**photo, "picture": self.find(photo["sha256"], "thumbnail") is not None} for photo in photos]
