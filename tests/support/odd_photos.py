"""Photos as no camera writes them: odd, hostile, and mutated at random."""

import itertools
import re
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from tests.support.drawn_photos import SAMPLES, encoded, heic

TiffTags = dict[int, tuple[int, Sequence[int]]]  # by tag: its unit (3 SHORT, 4 LONG) and values


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return one chunk. Source: PNG specification, 5.3."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(pixels: np.ndarray, colour_type: int, *extra: bytes) -> bytes:
    """Return a PNG of uint8 or uint16 pixels [H, W, ...], with chunks of one's own before the pixels."""
    height, width = pixels.shape[:2]
    depth = 8 * pixels.dtype.itemsize
    rows = b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    chunks = (png_chunk(b"IHDR", header), *extra, png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def interlaced_png(width: int, height: int) -> bytes:
    """Return a PNG of 16 bits a colour with alpha, stored in seven passes. Source: PNG specification, 8.2."""
    packer, parts = zlib.compressobj(9), []
    for first_column, first_row, columns, rows in (
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ):
        row = bytes(1 + 8 * len(range(first_column, width, columns)))
        parts += [packer.compress(row) for _ in range(first_row, height, rows)]
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 1))
    pixels = png_chunk(b"IDAT", b"".join([*parts, packer.flush()]))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + png_chunk(b"IEND", b"")


def tiff(content: bytes, tags: TiffTags, next_directory: int = 0) -> bytes:
    """Return a little-endian TIFF whose strips or tiles lie from byte 8 on."""
    values_at, values, entries = 8 + len(content), b"", b""
    for tag, (unit, numbers) in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}{'H' if unit == 3 else 'I'}", *numbers)
        place = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", values_at + len(values))
        entries += struct.pack("<HHI", tag, unit, len(numbers)) + place
        values += packed if len(packed) > 4 else b""
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", next_directory)
    return b"II*\0" + struct.pack("<I", values_at + len(values)) + content + values + directory


def grey_tiff(pixels: np.ndarray, bits: int, photometric: int = 1) -> bytes:
    """Return an uncompressed grey TIFF of uint8 or uint16 pixels [H, W]; 12 bits are packed, two values in 3 bytes."""
    height, width = pixels.shape
    content = pixels.tobytes()
    if bits == 12:
        first, second = pixels.reshape(-1, 2).astype(np.uint32).T
        packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=1)
        content = packed.astype(np.uint8).tobytes()
    sizes = {256: (4, [width]), 257: (4, [height]), 273: (4, [8]), 278: (4, [height]), 279: (4, [len(content)])}
    return tiff(content, {**sizes, 258: (3, [bits]), 259: (3, [1]), 262: (3, [photometric]), 277: (3, [1])})


def photos_to_mutate(side: int = 96) -> list[bytes]:
    """Return small photos of samples/ in all formats, modes and compressions that the decoders know."""
    photo = Image.open(SAMPLES / "dress.jpg").convert("RGB").resize((side, side))
    other = Image.open(SAMPLES / "jeans.jpg").convert("RGB").resize((side, side))
    exif = Image.Exif()
    exif[0x0112] = 6
    grey16 = np.asarray(photo.convert("L"), dtype=np.uint16) * 257
    animated = {"save_all": True, "append_images": [other]}
    return [
        encoded(photo, exif=exif),
        encoded(photo, progressive=True),
        encoded(photo.convert("L")),
        encoded(photo.convert("CMYK")),
        encoded(photo, "MPO", **animated),
        encoded(photo, "PNG"),
        encoded(photo.convert("RGBA"), "PNG"),
        encoded(photo.quantize(32), "PNG"),
        encoded(Image.fromarray(grey16), "PNG"),
        encoded(photo, "PNG", **animated),
        encoded(photo, "WEBP"),
        encoded(photo, "WEBP", lossless=True, exif=exif),
        encoded(photo, "WEBP", **animated),
        encoded(photo, "GIF", **animated),
        encoded(photo, "BMP"),
        encoded(photo.quantize(32), "BMP"),
        *(encoded(photo, "TIFF", compression=name) for name in (None, "tiff_lzw", "packbits", "jpeg")),
        encoded(photo.convert("1"), "TIFF", compression="group4"),
        encoded(Image.fromarray(grey16), "TIFF", compression="tiff_adobe_deflate"),
        heic(photo),
        heic(photo.convert("RGBA")),
    ]


def mutated(data: bytes, chance: np.random.Generator) -> bytes:
    """Return a photo with a few bytes changed, a piece cut out, doubled or zeroed, or its end cut off."""
    changed = bytearray(data)
    for _ in range(int(chance.integers(1, 4))):
        # Half of the changes hit the first 200 bytes, where the sizes stand.
        reach = len(changed) if chance.random() < 0.5 else min(200, len(changed))
        begin = int(chance.integers(0, max(1, reach)))
        end = begin + int(chance.integers(1, 32))
        kind = int(chance.integers(0, 6))
        if kind == 0:
            changed[begin:end] = chance.bytes(len(changed[begin:end]))
        elif kind == 1:
            changed[begin : begin + 1] = bytes([1 << int(chance.integers(0, 8)) ^ (changed[begin] if changed else 0)])
        elif kind == 2:
            del changed[begin:end]
        elif kind == 3:
            changed[begin:begin] = changed[begin:end] * int(chance.integers(1, 50))
        elif kind == 4:
            extreme = chance.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\xff\xff", b"\xff\0"])
            changed[begin : begin + len(extreme)] = extreme
        else:
            del changed[begin + len(changed) // 2 :]
    return bytes(changed)


def restructured(data: bytes, chance: np.random.Generator) -> bytes:
    """Return a photo whose pieces are doubled, dropped or moved, with what hides pieces put between them."""
    pieces = _pieces(data)
    for _ in range(int(chance.integers(1, 4))):
        place, other = (int(number) for number in chance.integers(0, len(pieces), 2))
        kind = int(chance.integers(0, 4))
        if kind == 0:
            pieces[place:place] = [pieces[other]] * int(chance.integers(1, 40))
        elif kind == 1 and len(pieces) > 1:
            del pieces[place]
        elif kind == 2:
            pieces[place], pieces[other] = pieces[other], pieces[place]
        else:
            length = struct.pack(">H", 2 + len(pieces[other]) % 65_000)
            hiding = [b"\xff\x01" + length, b"\xff\xff\xff", b"\xff\xd4" + length, b"\0\0\0\x10free\0\0\0\x08"]
            pieces.insert(place, hiding[int(chance.integers(0, len(hiding)))])
    return b"".join(pieces)


def _pieces(data: bytes) -> list[bytes]:
    """Cut a photo where its markers, boxes or chunks begin, and after every 64th byte of formats without such."""
    if data.startswith(b"\xff\xd8"):
        starts = [found.start() for found in re.finditer(rb"\xff[^\x00\xff]", data)]
    elif data[4:8] == b"ftyp":
        kinds = rb"ftyp|meta|mdat|hdlr|pitm|iloc|iinf|infe|iref|iprp|ipco|ipma|ispe|hvcC|pixi|colr|auxC|irot"
        starts = [found.start() - 4 for found in re.finditer(kinds, data)]
    elif data.startswith(b"\x89PNG"):
        starts = [found.start() - 4 for found in re.finditer(rb"IHDR|PLTE|tRNS|IDAT|IEND|acTL|fcTL|fdAT", data)]
    else:
        starts = list(range(64, len(data), 64))
    bounds = sorted({0, *starts, len(data)})
    return [data[begin:end] for begin, end in itertools.pairwise(bounds)]


def garbage(chance: np.random.Generator) -> bytes:
    """Return what is no photo at all, behind the first bytes of one more often than not."""
    begins = (
        b"",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"BM",
        b"II*\0",
        b"RIFF\0\0\0\0WEBP",
        b"%PDF-1.7",
    )
    heif = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    start = (*begins, heif, b"<svg xmlns='http://www.w3.org/2000/svg'>")[int(chance.integers(0, len(begins) + 2))]
    return bytes(start + chance.bytes(int(chance.integers(0, 2000))))
