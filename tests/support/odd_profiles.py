"""Colour profiles written by hand: swapped channels, tables, and programs that take a processor's time."""

import struct
from collections.abc import Mapping

_WHITE = struct.pack(">iii", 63_190, 65_536, 54_061)  # D50, in 1/65536


def profile_of(tags: Mapping[bytes, bytes], space: bytes = b"RGB ", connection: bytes = b"XYZ ") -> bytes:
    """Return an ICC profile of version 4.4 for a screen. Source: ICC.1:2022, 7."""
    text = (
        b"mluc" + bytes(4) + struct.pack(">II", 1, 12) + b"enUS" + struct.pack(">II", 2, 28) + "x".encode("utf-16-be")
    )
    all_tags = {b"desc": text, b"wtpt": b"XYZ " + bytes(4) + _WHITE, **tags}
    table, contents, places = b"", b"", dict[bytes, int]()
    begin = 132 + 12 * len(all_tags)
    for name, content in all_tags.items():
        if content not in places:
            places[content] = begin + len(contents)
            contents += content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", places[content], len(content))
    header = struct.pack(">I", begin + len(contents)) + b"lcms\x04\x40\0\0mntr" + space + connection
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(24) + struct.pack(">I", 1) + _WHITE
    return header.ljust(128, b"\0") + struct.pack(">I", len(all_tags)) + table + contents


def chained(elements: int) -> bytes:
    """Return a profile whose program is a chain of matrices and curves. Source: ICC.1:2022, 10.16."""
    matrix = b"matf" + bytes(4) + struct.pack(">HH12f", 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0.0001, 0, 0)
    line = b"parf" + bytes(4) + struct.pack(">HH4f", 0, 0, 1.0001, 1, 0, 0)
    curve = b"curf" + bytes(4) + struct.pack(">HH", 1, 0) + line
    curves = b"cvst" + bytes(4) + struct.pack(">HH", 3, 3) + struct.pack(">II", 36, len(curve)) * 3 + curve
    first = 16 + 8 * elements
    places = struct.pack(">IIII", first, len(matrix), first + len(matrix), len(curves)) * (elements // 2)
    program = b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, elements) + places + matrix + curves
    return profile_of({b"D2B0": program, b"D2B1": program})


def tabled(values: bytes, side: int, space: bytes = b"RGB ") -> bytes:
    """Return a profile of a table with 16 bits an entry.

    Args:
        values: of the table, uint16, big-endian.
        side: grid points a channel.
        space: of the pixels.
    """
    inputs = 4 if space == b"CMYK" else 3
    one = struct.pack(">9i", 65_536, 0, 0, 0, 65_536, 0, 0, 0, 65_536)
    straight = struct.pack(">HH", 0, 65_535)
    table = b"mft2" + bytes(4) + bytes([inputs, 3, side, 0]) + one + struct.pack(">HH", 2, 2)
    table += straight * inputs + values + straight * 3
    return profile_of({b"A2B0": table, b"A2B1": table}, space, b"Lab ")
