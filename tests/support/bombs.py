"""Small files that once cost a decoder far more than they show, or that are made to."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.support.drawn_photos import encoded, striped
from tests.support.odd_heics import box, cropped, grid, overlays
from tests.support.odd_jpegs import lossless, progressive, scans_behind_a_bare_marker
from tests.support.odd_photos import interlaced_png, png_chunk
from tests.support.odd_profiles import chained

_FLAT = (90, 80, 70)
_DECOY = box(b"free", box(b"iinf", b""))


def wide_png(width: int = 6_250_000, height: int = 16) -> bytes:
    """Return a PNG of millions of columns in colour with alpha."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    packer = zlib.compressobj(9)
    rows = [packer.compress(b"\0" + bytes([16 * row, 40, 200, 128]) * width) for row in range(height)]
    pixels = png_chunk(b"IDAT", b"".join([*rows, packer.flush()]))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + png_chunk(b"IEND", b"")


def run_length_bmp(width: int, height: int) -> bytes:
    """Return a BMP of 8 bits whose rows end after one pixel each."""
    palette = b"".join(bytes([value, value, value, 0]) for value in range(256))
    coded = b"\x01\x50\0\0" * height + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(coded), 0, 0, 256, 0)
    begin = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", begin + len(coded), 0, 0, begin) + header + palette + coded


def _scans_of_noise() -> bytes:
    """Return the dearest progressive JPEG that the limits let through: details everywhere."""
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 256, (2_500, 2_500, 3), dtype=np.uint8))
    return encoded(noise, progressive=True, quality=90)


BOMBS: dict[str, Callable[[], bytes]] = {
    "JPEG, scans behind TEM": lambda: scans_behind_a_bare_marker((7_000, 5_000), 2_000),
    "JPEG, scans behind a restart marker": lambda: scans_behind_a_bare_marker((7_000, 5_000), 2_000, 0xD1),
    "JPEG, 50 scans": lambda: progressive((3_000, 3_000), 40),
    "JPEG, 10 scans of 50 megapixels": lambda: progressive((7_000, 7_000), 0),
    "JPEG, noise in 10 scans": _scans_of_noise,
    "JPEG, lossless": lambda: lossless(striped((300, 300))),
    "JPEG, 100 megapixels": lambda: encoded(Image.new("RGB", (10_000, 10_000), _FLAT), quality=50),
    "HEIC, overlays of overlays": lambda: overlays(Image.new("RGB", (2_000, 2_000), _FLAT), 3, 5, _DECOY),
    "HEIC, cropped": lambda: cropped(Image.new("RGB", (8_000, 8_000), _FLAT), 64),
    "HEIC, a grid of one tile": lambda: grid(Image.new("RGB", (8_000, 8_000), _FLAT), 1, 1, (64, 64)),
    "HEIC, 50 megapixels": lambda: cropped(Image.new("RGB", (7_000, 7_000), _FLAT), 64),
    "PNG, a profile that is a program": lambda: encoded(striped(), "PNG", icc_profile=chained(20_000)),
    "JPEG, a profile that is a program": lambda: encoded(striped(), icc_profile=chained(20_000)),
    "PNG, 6 million columns": wide_png,
    "PNG, 100 megapixels of 64 bits": lambda: interlaced_png(10_000, 10_000),
    "BMP, run lengths": lambda: run_length_bmp(6_200_000, 16),
    "WebP, 25 megapixels": lambda: encoded(Image.new("RGB", (5_000, 5_000), _FLAT), "WEBP", method=0, quality=1),
    "TIFF, 50 megapixels": lambda: encoded(Image.new("L", (7_000, 7_000)), "TIFF", compression="tiff_lzw"),
    "GIF, 100 megapixels": lambda: encoded(Image.new("P", (10_000, 10_000)), "GIF"),
}
