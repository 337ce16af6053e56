"""Read a PNG's chunks before a decoder does: how many there are, and which of them are damaged."""

import zlib
from collections.abc import Iterator

from handler.decoding.refusals import odd_structure

_MOST_CHUNKS = 50_000
_SIGNATURE = 8  # bytes


def read_png(data: bytes) -> bytes:
    """Return a PNG without those of its notes that are damaged.

    A chunk that is not needed for the pixels and has a wrong checksum is left out, as libpng does; Pillow would refuse
    the whole photo for it.

    Raises:
        PhotoError: 400 ``not_an_image``: more chunks than any program writes.
    """
    damaged = []
    for number, (begin, end) in enumerate(_chunks(data)):
        if number >= _MOST_CHUNKS:
            raise odd_structure(f"PNG has more than {_MOST_CHUNKS} chunks")
        may_be_missed = data[begin + 4] & 0x20  # Source: PNG specification, 5.4
        if may_be_missed and zlib.crc32(data[begin + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            damaged.append((begin, end))
    if not damaged:
        return data
    kept, position = [], 0
    for begin, end in damaged:
        kept.append(data[position:begin])
        position = end
    return b"".join([*kept, data[position:]])


def _chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each whole chunk up to the last."""
    begin = _SIGNATURE
    while begin + 12 <= len(data):
        end = begin + 12 + int.from_bytes(data[begin : begin + 4], "big")
        if end > len(data):
            return
        yield begin, end
        if data[begin + 4 : begin + 8] == b"IEND":
            return
        begin = end
