"""A JPEG without its metadata: the coefficients are copied, nothing is decoded."""

import re
import struct

# Source: ITU-T T.81, table B.1.
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended sequential, progressive
# Tables: Huffman, quantisation, number of lines, restart interval.
_TABLES = frozenset({0xC4, 0xDB, 0xDC, 0xDD})
_COLOUR_PROFILE = (0xE2, b"ICC_PROFILE\0")  # Source: ICC.1:2022, B.4
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")  # not a stuffed zero, restart marker or fill byte
# Version 1.1, no unit, no thumbnail. It also says that three components are YCbCr.
_JFIF = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"


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
