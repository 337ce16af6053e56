"""JPEGs as few programs write them: without an end, with oddities that decoders warn of, or made to cost much."""

import re
import struct
from collections.abc import Sequence

import numpy as np
from PIL import Image

from tests.support.drawn_photos import encoded


def segment(marker: int, content: bytes) -> bytes:
    """Return a marker segment. Source: ITU-T T.81, B.1.1.4."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def progressive(size: tuple[int, int], more_scans: int) -> bytes:
    """Return a one-coloured progressive JPEG with its last scan repeated."""
    data = encoded(Image.new("RGB", size, (90, 80, 70)), progressive=True, quality=50)
    return data[:-2] + _last_scan(data) * more_scans + b"\xff\xd9"


def scans_behind_a_bare_marker(size: tuple[int, int], more_scans: int, marker: int = 0x01) -> bytes:
    """Return a progressive JPEG whose further scans look like the content of a segment.

    The marker has no length by the format; a reader that takes the next two bytes for one steps over the scans.
    """
    data = encoded(Image.new("RGB", size, (90, 80, 70)), progressive=True, quality=50)
    scan = _last_scan(data)
    pieces, each = [], 60_000 // len(scan)
    for begin in range(0, more_scans, each):
        hidden = scan * min(each, more_scans - begin)
        pieces.append(bytes([0xFF, marker]) + struct.pack(">H", len(hidden) + 2) + hidden)
    return data[:-2] + b"".join(pieces) + b"\xff\xd9"


def _last_scan(data: bytes) -> bytes:
    return data[data.rfind(b"\xff\xda") : -2]


def lossless(image: Image.Image) -> bytes:
    """Return a lossless JPEG of 8 bits: process 14, each value as the difference from its left neighbour.

    Source: ITU-T T.81, annex H. Pillow does not write these.
    """
    bands = np.stack([np.asarray(band, dtype=np.int16) for band in image.split()], axis=-1)
    before = np.empty_like(bands)
    before[:, 1:] = bands[:, :-1]
    before[1:, 0] = bands[:-1, 0]
    before[0, 0] = 128
    bits = []
    for difference in (bands - before).ravel().tolist():
        size = abs(difference).bit_length()
        value = difference if difference > 0 else difference + (1 << size) - 1
        bits.append(f"{size:04b}" + (f"{value:0{size}b}" if size else ""))
    packed = np.packbits(np.frombuffer("".join(bits).encode(), np.uint8) - ord("0")).tobytes()
    table = segment(0xC4, bytes([0, 0, 0, 0, 9, *[0] * 12, *range(9)]))  # nine codes of 4 bits
    names = range(1, bands.shape[2] + 1)
    frame = struct.pack(">BHHB", 8, image.height, image.width, len(names))
    frame += b"".join(bytes([name, 0x11, 0]) for name in names)
    scan = bytes([len(names), *[part for name in names for part in (name, 0)], 1, 0, 0])
    stuffed = packed.replace(b"\xff", b"\xff\x00")
    return b"\xff\xd8" + table + segment(0xC3, frame) + segment(0xDA, scan) + stuffed + b"\xff\xd9"


def components_apart(bands: Sequence[Image.Image], factors: Sequence[int], scans: int = 3) -> bytes:
    """Return a baseline JPEG of red, green and blue, each in a scan of its own.

    Args:
        bands: mode L; the first of the picture's full size.
        factors: sampling factors, horizontal in the higher half of the byte.
        scans: so many are written.
    """
    parts = []
    for name, band in enumerate(bands[:scans], start=1):
        grey = encoded(band, quality=95)
        scan = grey.index(b"\xff\xda")
        parts.append(segment(0xDA, bytes([1, name, 0, 0, 63, 0])) + grey[scan + 10 : -2])
        tables = grey[20:scan]  # behind the JFIF segment, which would mean YCbCr
    frame = struct.pack(">BHHB", 8, bands[0].height, bands[0].width, len(bands))
    frame += b"".join(bytes([name, factor, 0]) for name, factor in enumerate(factors, start=1))
    own_frame = tables.index(b"\xff\xc0")
    tables = tables[:own_frame] + segment(0xC0, frame) + tables[own_frame + 13 :]
    adobe = segment(0xEE, b"Adobe" + bytes(7))  # red, green and blue
    return b"\xff\xd8" + adobe + tables + b"".join(parts) + b"\xff\xd9"


def with_wrong_scan_parameters(data: bytes) -> bytes:
    """Return a sequential JPEG whose scan header names no coefficients, as some phones write it."""
    end = _scan_data(data)
    return data[: end - 3] + b"\0\0\0" + data[end:]


def with_unknown_jfif_version(data: bytes) -> bytes:
    """Return a JPEG that says it is of JFIF 2.01."""
    place = data.index(b"JFIF\0") + 5
    return data[:place] + b"\x02" + data[place + 1 :]


def with_stray_bytes(data: bytes) -> bytes:
    """Return a JPEG with bytes between its last header and the one before, which belong to nothing."""
    place = data.index(b"\xff\xda")
    return data[:place] + b"stray" + data[place:]


def with_a_wrong_restart(data: bytes) -> bytes:
    """Return a JPEG that has restart markers with one of the first renumbered."""
    begin = _scan_data(data)
    third = [found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", data[begin:])][2] + begin
    assert data[third + 1] == 0xD2
    return data[: third + 1] + b"\xd5" + data[third + 2 :]


ODDITIES = {
    "none": bytes,
    "scan parameters": with_wrong_scan_parameters,
    "JFIF version": with_unknown_jfif_version,
    "stray bytes": with_stray_bytes,
    "restart": with_a_wrong_restart,
}


def _scan_data(data: bytes) -> int:
    """Return where the entropy-coded data of the only scan begin."""
    place = data.index(b"\xff\xda")
    return place + 2 + int(struct.unpack_from(">H", data, place + 2)[0])
