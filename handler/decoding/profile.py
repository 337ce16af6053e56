"""Decide whether a colour profile is one that a camera or a printer's program writes.

A profile can carry a program of any length; LittleCMS runs it while it builds the way to sRGB: 12 kB took 52 s.
Only the two old kinds are let through: a matrix with curves, and tables of ordinary size.

Source: ICC.1:2022, 7.2 (header), 7.3 (tag table), 10.10 to 10.13 (tables), 10.16 (programs, ``mpet``).
"""

import math
import struct

_MOST_BYTES = 4_000_000  # a printer's profile has 0.5 to 3 MB
_MOST_TAGS = 100  # LittleCMS reads no more
_CLASSES = (b"scnr", b"mntr", b"prtr", b"spac")
_SPACES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK"}
_TABLES = (b"A2B0", b"A2B1", b"A2B2")
_CURVES = (b"rTRC", b"gTRC", b"bTRC", b"kTRC")


def is_ordinary(profile: bytes, mode: str) -> bool:
    """Return whether a profile may be applied to pixels of a mode: L, RGB or CMYK."""
    if not 132 <= len(profile) <= _MOST_BYTES:
        return False
    if (
        profile[12:16] not in _CLASSES
        or profile[16:20] != _SPACES.get(mode)
        or profile[20:24] not in (b"XYZ ", b"Lab ")
    ):
        return False
    (count,) = struct.unpack_from(">I", profile, 128)
    if count > _MOST_TAGS or len(profile) < 132 + 12 * count:
        return False
    return all(
        _is_ordinary_tag(name, profile[begin : begin + size])
        for name, begin, size in struct.iter_unpack(">4sII", profile[132 : 132 + 12 * count])
    )


def _is_ordinary_tag(name: bytes, content: bytes) -> bool:
    kind = content[:4]
    if name.startswith((b"D2B", b"B2D")) or kind == b"mpet":
        return False
    if name in _CURVES:
        return kind in (b"curv", b"para")
    if name in _TABLES:
        try:
            return _holds_its_table(kind, content)
        except (struct.error, IndexError):
            return False
    return True


def _holds_its_table(kind: bytes, content: bytes) -> bool:
    """Return whether a table is as large as it says: LittleCMS takes the memory before it reads."""
    inputs, outputs = content[8], content[9]
    if kind in (b"mft1", b"mft2"):
        return bool(content[10] ** inputs * outputs * (1 if kind == b"mft1" else 2) <= len(content))
    if kind != b"mAB ":
        return False
    (table,) = struct.unpack_from(">I", content, 24)
    if table == 0:
        return True
    sides, width = content[table : table + inputs], content[table + 16]
    return bool(math.prod(sides) * outputs * width <= len(content))
