"""Refuse a GIF, TIFF or BMP whose structure costs out of proportion to its picture, before a decoder follows it.

A few megabytes can hold millions of empty blocks or a million tiles, each of which costs a decoder time. The limits
lie far above what cameras and programs write.
"""

import struct
from collections.abc import Iterator

from handler.decoding.refusals import odd_structure
from handler.errors import ErrorCode, PhotoError

_MOST_PIECES = 50_000  # blocks before a GIF's picture, strips or tiles of a TIFF
_MOST_TAGS = 4_096  # of a TIFF
_MOST_TILE_PIXELS = 16_000_000  # of a TIFF; libtiff decodes a tile whole, however small the picture

_TIFF_UNIT = {3: "H", 4: "I", 16: "Q"}  # SHORT, LONG, LONG8: what a tile's side may be given in


def check_structure(data: bytes) -> None:
    """Refuse a GIF, TIFF or BMP whose structure costs out of proportion to its picture.

    Structures that cannot be followed are left to the decoder, which refuses them.

    Raises:
        PhotoError: 400 ``not_an_image``; 415 ``unsupported_format``.
    """
    head = data[:12]
    try:
        if head.startswith(b"GIF8"):
            _bound(_gif_blocks(data), _MOST_PIECES, "GIF has more than {} blocks before its picture")
        elif head[:2] in (b"II", b"MM"):
            _check_tiff(data)
        elif head.startswith(b"BM"):
            _check_bmp(data)
    except (struct.error, IndexError, OverflowError):  # OverflowError: an offset beyond all files
        pass


def _bound(pieces: Iterator[object], most: int, complaint: str) -> None:
    if sum(1 for _, _ in zip(range(most + 1), pieces, strict=False)) > most:
        raise odd_structure(complaint.format(most))


def _gif_blocks(data: bytes) -> Iterator[int]:
    """Yield the position of each block of the extensions before the first picture."""
    position = 13 + (3 << (data[10] & 7) + 1 if data[10] & 128 else 0)
    while data[position] == 0x21:
        position += 2
        while data[position]:
            yield position
            position += 1 + data[position]
        yield position
        position += 1


def _check_bmp(data: bytes) -> None:
    """Refuse run lengths, which Pillow follows in Python: 1 kB took 10 s. Source: BITMAPINFOHEADER, biCompression."""
    (header,) = struct.unpack_from("<I", data, 14)
    if header >= 40 and struct.unpack_from("<I", data, 30)[0] in (1, 2):
        raise PhotoError(
            ErrorCode.UNSUPPORTED_FORMAT, "The BMP is stored with run lengths, which no camera writes. Save a PNG."
        )


def _check_tiff(data: bytes) -> None:
    """Bound the first directory's tags, strips and tiles. Source: TIFF 6.0 and the BigTIFF design."""
    order = "<" if data[0] == 0x49 else ">"
    if data[2:4] in (b"+\x00", b"\x00+"):
        start, count_format, entry_format = 8, "Q", "HHQ"
    else:
        start, count_format, entry_format = 4, "H", "HHI"
    (directory,) = struct.unpack_from(order + ("Q" if start == 8 else "I"), data, start)
    (tags,) = struct.unpack_from(order + count_format, data, directory)
    if tags > _MOST_TAGS:
        raise odd_structure(f"TIFF has {tags} tags, the limit is {_MOST_TAGS}")
    tile = {322: 1, 323: 1}
    entry, size = directory + struct.calcsize("<" + count_format), struct.calcsize("<" + entry_format) + start
    for position in range(entry, entry + tags * size, size):
        tag, unit, values = struct.unpack_from(order + entry_format, data, position)
        if tag in (273, 324) and values > _MOST_PIECES:
            raise odd_structure(f"TIFF has {values} strips or tiles, the limit is {_MOST_PIECES}")
        if tag in tile:
            if unit not in _TIFF_UNIT or values != 1:
                raise odd_structure("TIFF gives the size of its tiles in another way than the format's")
            (side,) = struct.unpack_from(order + _TIFF_UNIT[unit], data, position + size - start)
            tile[tag] = max(tile[tag], side)  # where it is given twice, decoders differ in which one they take
    if tile[322] * tile[323] > _MOST_TILE_PIXELS:
        sides = f"{tile[322]} x {tile[323]}"
        raise odd_structure(f"TIFF has tiles of {sides} pixels, the limit is {_MOST_TILE_PIXELS} together")
