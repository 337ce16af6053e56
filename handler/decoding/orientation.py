"""Which way up a photo is, as its camera noted it."""

import re
import struct

from PIL import Image

_ORIENTATION = 0x0112
_SHORT = 3
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
    """Return the orientation of a loaded file, 1 to 8, from its EXIF, or from its XMP where there is no EXIF.

    It is 1 where the file says nothing that can be read: a photo with broken EXIF is still a photo.
    """
    if hasattr(opened, "tag_v2"):  # a TIFF's own tags are its EXIF
        return _one_to_eight(opened.tag_v2.get(_ORIENTATION))
    exif = opened.info.get("exif")
    if isinstance(exif, bytes):
        try:
            return _from_exif(exif.removeprefix(b"Exif\x00\x00"))
        except struct.error:
            return 1
    xmp = opened.info.get("xmp")
    found = _XMP_ORIENTATION.search(xmp[:_MOST_XMP_BYTES]) if isinstance(xmp, bytes) else None
    return int(found[1]) if found else 1


def _from_exif(exif: bytes) -> int:
    """Read the one tag that matters.

    Pillow's reader takes in all of them, and Image.getexif() would let megabytes of hostile tags hold the worker.
    """
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    (directory,) = struct.unpack_from(order + "I", exif, 4)
    (tags,) = struct.unpack_from(order + "H", exif, directory)
    for index in range(min(tags, _MOST_TAGS)):
        tag, unit, _, value = struct.unpack_from(order + "HHIH", exif, directory + 2 + 12 * index)
        if tag == _ORIENTATION:
            return _one_to_eight(value) if unit == _SHORT else 1
    return 1


def _one_to_eight(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
