"""Tell a WebP that lost its tail from one that ends in zeros by right.

Source: RFC 9649 (container), RFC 6386, 7 (the coder of VP8: the most likely value again and again is a row of zeros).
"""

import io
import struct
from collections.abc import Iterator

from PIL import Image

_ZEROS = bytes(32)
_SPARE = 16  # bytes; an encoder closes a picture's data with two or three that a decoder does not need


def is_filled_up(data: bytes) -> bool:
    """Return whether a WebP's first picture ends in zeros that its decoder does not need.

    A copy that broke off in a file of the full length leaves zeros. VP8 makes something of them, far more picture for
    each byte than of a photo's own data, so some are left over. A white background is coded as zeros, too, but none
    of those can be missed.
    """
    found = next(_pictures(data, 12, len(data)), None)
    if found is None or not data[: found[2]].endswith(_ZEROS):
        return False
    kind, begin, end = found
    shorter = data[begin : end - _SPARE]
    chunk = kind + struct.pack("<I", len(shorter)) + shorter
    try:
        Image.open(io.BytesIO(b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk), formats=["WEBP"]).load()
    except MemoryError:
        raise
    except Exception:  # whatever Pillow raises for a WebP that ends too early
        return False
    return True


def _pictures(data: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, begin and end of each coded picture's data, those of an animation's frames included."""
    while begin + 8 <= end:
        kind, size = data[begin : begin + 4], int.from_bytes(data[begin + 4 : begin + 8], "little")
        content, behind = begin + 8, min(begin + 8 + size, end)
        if kind in (b"VP8 ", b"VP8L"):
            yield kind, content, behind
        elif kind == b"ANMF":
            yield from _pictures(data, content + 16, behind)
        begin = behind + size % 2
