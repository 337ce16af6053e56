"""Where the copies of photos lie in ``MEDIA_DIR``: ``ab/abcd....jpg`` and ``ab/abcd....thumb.jpg``, by sha256."""

import re
from pathlib import Path

FOLDERS = tuple(f"{number:02x}" for number in range(256))  # all that there can be, in order
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_sha256(text: str) -> bool:
    """Tell whether this is a sha256 in lower-case hex: what it becomes is a path."""
    return _SHA256.fullmatch(text) is not None


def folder_of(media: Path, sha256: str) -> Path:
    """Return the folder of a photo's files.

    Raises:
        ValueError: this is no sha256 in lower-case hex.
    """
    if not is_sha256(sha256):
        raise ValueError(f"{sha256!r} is no sha256")
    return media / sha256[:2]


def copy_path(media: Path, sha256: str) -> Path:
    """Return where the copy of a photo lies or would lie.

    Raises:
        ValueError: as above.
    """
    return folder_of(media, sha256) / f"{sha256}.jpg"


def thumbnail_path(media: Path, sha256: str) -> Path:
    """Return where the thumbnail of a photo lies or would lie.

    Raises:
        ValueError: as above.
    """
    return folder_of(media, sha256) / f"{sha256}.thumb.jpg"
