"""Which way up a photo is, as its camera noted it."""

import re
import struct

from PIL import Image

_ORIENTATION = 0x0112
# How each type of integer is read. Source: TIFF 6.0, section 2. The standard asks for SHORT; some cameras write others.
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
_MOST_TAGS = 1_024
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)([1-8])")
_MOST_XMP_BYTES = 1 << 16
# Source: EXIF 3.0, table 6: what was done to the scene, by orientation; this undoes it.
_UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Turn a picture upright.

    Args:
        picture: the pixels as they are stored.
        orientation: 1 to 8, as EXIF counts them.
    """
    undo = _UNDO.get(orientation)
    return picture if undo is None else picture.transpose(undo)


def orientation_of(opened: Image.Image) -> int:
    """Return the orientation of a loaded file, 1 to 8, from its EXIF, or from its XMP where EXIF does not tell it.

    It is 1 where the file says nothing that can be read: a photo with broken EXIF is still a photo.
    """
    noted = _from_tiff_tags(opened) if hasattr(opened, "tag_v2") else _from_exif(_exif(opened))
    if noted is None:
        xmp = opened.info.get("xmp")
        found = _XMP_ORIENTATION.search(xmp[:_MOST_XMP_BYTES]) if isinstance(xmp, bytes) else None
        noted = int(found[1]) if found else None
    return noted if noted is not None and 1 <= noted <= 8 else 1


def has_byte_tag(opened: Image.Image) -> bool:
    """Return whether a TIFF gives its orientation as a number of one byte, which Pillow drops and does not obey."""
    return isinstance(getattr(opened, "tag_v2", {}).get(_ORIENTATION), bytes)


def _from_tiff_tags(opened: Image.Image) -> int | None:
    """Read the tag of a TIFF, whose own tags are its EXIF."""
    value = opened.tag_v2.get(_ORIENTATION)  # type: ignore[attr-defined]
    if isinstance(value, bytes) and value:  # Pillow's way to give numbers of one byte
        return value[0]
    return value if isinstance(value, int) else None


def _exif(opened: Image.Image) -> bytes:
    """Return a file's EXIF from its byte order on; empty where there is none."""
    exif = opened.info.get("exif")
    if isinstance(exif, bytes):
        return exif.removeprefix(b"Exif\x00\x00")
    text = opened.info.get("Raw profile type exif")  # ImageMagick's way to put EXIF into a PNG: three lines, then hex
    if isinstance(text, str):
        try:
            return bytes.fromhex("".join(text[:_MOST_XMP_BYTES].split("\n")[3:])).removeprefix(b"Exif\x00\x00")
        except ValueError:
            return b""
    return b""


def _from_exif(exif: bytes) -> int | None:
    """Read the one tag that matters, whatever type of integer it has.

    Pillow's reader takes in all tags, and Image.getexif() would let megabytes of hostile tags hold the worker.
    """
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (tags,) = struct.unpack_from(order + "H", exif, directory)
        for entry in range(directory + 2, directory + 2 + 12 * min(tags, _MOST_TAGS), 12):
            tag, unit = struct.unpack_from(order + "HH", exif, entry)
            if tag == _ORIENTATION:
                return int(struct.unpack_from(order + _INTEGERS[unit], exif, entry + 8)[0]) if unit in _INTEGERS else 1
    except struct.error:
        pass
    return None
