"""Pictures for the review desk, as the service sends them: written atomically, removed completely."""

import contextlib
import os
import re
import secrets
import struct
from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from results import media_layout
from service_client.responses import Picture

# Source: ITU-T T.81, table B.1.
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended sequential, progressive
# Tables: Huffman, quantisation, number of lines, restart interval.
_TABLES = frozenset({0xC4, 0xDB, 0xDC, 0xDD})
_COLOUR_PROFILE = (0xE2, b"ICC_PROFILE\0")  # Source: ICC.1:2022, B.4
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")  # not a stuffed zero, restart marker or fill byte
# Version 1.1, no unit, no thumbnail. It also says that three components are YCbCr.
_JFIF = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"


class KeepPictures(StrEnum):
    """Which photos the desk gets a picture of."""

    REVIEW = "review"
    ALL = "all"


class MediaStore:
    """Pictures and thumbnails of photos, by sha256; safe to share between threads and processes.

    Args:
        folder: where they lie, as :mod:`results.media_layout` says. It is made with the first picture.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def copy_path(self, sha256: str) -> Path:
        """Return the path of the picture of a photo.

        Raises:
            ValueError: this is no sha256 in lower-case hex.
        """
        return media_layout.copy_path(self.folder, sha256)

    def thumbnail_path(self, sha256: str) -> Path:
        """Return the path of the thumbnail of a photo.

        Raises:
            ValueError: this is no sha256 in lower-case hex.
        """
        return media_layout.thumbnail_path(self.folder, sha256)

    def exists(self, sha256: str) -> bool:
        """Return whether picture and thumbnail are both there."""
        return self.copy_path(sha256).is_file() and self.thumbnail_path(sha256).is_file()

    def write(self, sha256: str, picture: Picture, photo: bytes | bytearray) -> bool:
        """Write the files of a photo that are not there yet.

        Args:
            sha256: of the photo.
            picture: from the service.
            photo: encoded. Where the service sent a thumbnail only, the photo is a small JPEG: its own bytes without
                metadata become the picture, and nothing is decoded.

        Returns:
            Whether both files are there; False if a photo that should be a small JPEG is none.

        Raises:
            OSError: the disk is full, read-only or the like. Each file is there as a whole or not at all.
        """
        if self.exists(sha256):
            return True
        jpeg = picture.jpeg if picture.jpeg is not None else without_metadata(photo, picture.orientation)
        if jpeg is None:
            return False
        folder = media_layout.folder_of(self.folder, sha256)
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _sync(self.folder)
        for path, content in ((self.copy_path(sha256), jpeg), (self.thumbnail_path(sha256), picture.thumbnail)):
            if not path.exists():
                _atomic_write(path, content)
        _sync(folder)
        return True

    def remove(self, sha256s: Iterable[str]) -> int:
        """Remove all files of photos, including temporary files of a killed process; return how many.

        Args:
            sha256s: of the photos. Each folder is read and synced once, so pass many at once.

        Raises:
            OSError: a file cannot be removed; others may be gone.
            ValueError: one is no sha256 in lower-case hex; nothing is removed.
        """
        by_folder: dict[Path, set[str]] = defaultdict(set)
        for sha256 in sha256s:
            by_folder[media_layout.folder_of(self.folder, sha256)].add(sha256)
        return sum(_remove_from(folder, names) for folder, names in by_folder.items())


def _remove_from(folder: Path, sha256s: set[str]) -> int:
    """Remove the files of photos from their folder; return how many."""
    # A temporary file has a dot before the name.
    found = [path for path in folder.iterdir() if path.name.lstrip(".")[:64] in sha256s] if folder.is_dir() else []
    for path in found:
        path.unlink(missing_ok=True)
    if found:
        _sync(folder)
    return len(found)


def _atomic_write(path: Path, content: bytes) -> None:
    """Write a file so that readers find all of it or nothing, even after a power cut."""
    # The name is random because two threads may write the same photo. The umask sets the mode: the desk must read it.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    """Make new and removed names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def without_metadata(jpeg: bytes | bytearray, orientation: int) -> bytes | None:
    """Copy a JPEG and leave out all metadata but its colour profile.

    Args:
        jpeg: 8-bit grey or YCbCr, baseline or progressive.
        orientation: EXIF orientation, 1 to 8. The copy carries it as the only EXIF field unless it is 1.

    Returns:
        The copy; None if the bytes are no such JPEG.
    """
    if jpeg[:2] != b"\xff\xd8":
        return None
    parts: list[bytes | bytearray] = [b"\xff\xd8", _JFIF]
    if orientation != 1:
        parts.append(_exif(orientation))
    position, has_frame, has_scan = 2, False, False
    while position < len(jpeg):
        if jpeg[position] != 0xFF:
            return None
        while position < len(jpeg) and jpeg[position] == 0xFF:
            position += 1
        if position + 3 > len(jpeg) or jpeg[position] == _END:
            break
        marker = jpeg[position]
        end = position + 1 + int.from_bytes(jpeg[position + 1 : position + 3], "big")
        segment = b"\xff" + jpeg[position:end]
        if end > len(jpeg) or end < position + 3 or (0xC0 <= marker <= 0xCF and marker not in _FRAMES | _TABLES):
            return None
        position = end
        if marker == _SCAN:
            if not has_frame:
                return None
            found = _NEXT_MARKER.search(jpeg, position)
            end = found.start() if found is not None else len(jpeg)
            parts += (segment, jpeg[position:end])
            position, has_scan = end, True
        elif marker in _FRAMES | _TABLES or (marker == _COLOUR_PROFILE[0] and segment[4:16] == _COLOUR_PROFILE[1]):
            has_frame = has_frame or marker in _FRAMES
            parts.append(segment)
    return b"".join((*parts, b"\xff\xd9")) if has_scan else None


def _exif(orientation: int) -> bytes:
    """Return an APP1 segment with the orientation alone. Source: Exif 2.32, 4.5 and 4.6.4."""
    # Little-endian TIFF; one entry: tag 0x0112, type SHORT, one value; no further directory.
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(tiff)) + b"Exif\0\0" + tiff
