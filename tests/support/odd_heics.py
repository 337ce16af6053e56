"""HEICs put together box by box, around pictures that pillow-heif coded."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import pillow_heif
from PIL import Image


def box(kind: bytes, content: bytes) -> bytes:
    """Return a box. Source: ISO/IEC 14496-12, 4.2."""
    return struct.pack(">I", 8 + len(content)) + kind + content


def full_box(kind: bytes, content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Return a box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags) + content)


def size_property(width: int, height: int) -> bytes:
    """Return the property that says how large a picture is."""
    return full_box(b"ispe", struct.pack(">II", width, height))


def crop_property(width: int, height: int) -> bytes:
    """Return the property that shows the middle of a picture alone."""
    return box(b"clap", struct.pack(">8I", width, 1, height, 1, 0, 1, 0, 1))


@dataclass
class Coded:
    """A picture that pillow-heif coded: what its decoder needs to know beforehand, and its data."""

    configuration: bytes
    data: bytes


def coded(image: Image.Image) -> Coded:
    """Code a picture."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=30)
    file = buffer.getvalue()
    configuration, media = file.index(b"hvcC") - 4, file.rindex(b"mdat") - 4
    length = struct.unpack_from(">I", file, configuration)[0]
    return Coded(file[configuration : configuration + length], file[media + 8 :])


@dataclass
class Part:
    """One item of a file to write.

    Attributes:
        kind: four letters.
        data: its bytes.
        properties: whole boxes.
        of: the items that it is made of or that it describes.
        relation: how, four letters.
    """

    kind: bytes
    data: bytes
    properties: Sequence[bytes] = ()
    of: Sequence[int] = ()
    relation: bytes = b"dimg"
    content_type: bytes = field(default=b"")


def heic_of(parts: Sequence[Part], primary: int = 1, before_meta: bytes = b"") -> bytes:
    """Return a HEIC of items, numbered from 1 on."""
    properties = list(dict.fromkeys(each for part in parts for each in part.properties))
    entries, described, related = b"", b"", b""
    for number, part in enumerate(parts, start=1):
        name = part.kind + b"\0" + (part.content_type + b"\0" if part.content_type else b"")
        described += full_box(b"infe", struct.pack(">HH", number, 0) + name, 2)
        indices = bytes(properties.index(each) + 1 for each in part.properties)
        entries += struct.pack(">HB", number, len(indices)) + indices
        if part.of:
            related += box(part.relation, struct.pack(f">HH{len(part.of)}H", number, len(part.of), *part.of))
    fixed = full_box(b"hdlr", struct.pack(">I4s12x", 0, b"pict") + b"\0") + full_box(
        b"pitm", struct.pack(">H", primary)
    )
    fixed += full_box(b"iinf", struct.pack(">H", len(parts)) + described)
    fixed += full_box(b"iref", related) if related else b""
    lists = box(b"ipco", b"".join(properties)) + full_box(b"ipma", struct.pack(">I", len(parts)) + entries)
    fixed += box(b"iprp", lists)
    start = box(b"ftyp", b"heic\0\0\0\0mif1heic") + before_meta

    def meta(first: int) -> bytes:
        places, at = b"", first
        for number, part in enumerate(parts, start=1):
            places += struct.pack(">HHHII", number, 0, 1, at, len(part.data))
            at += len(part.data)
        return full_box(b"meta", fixed + full_box(b"iloc", struct.pack(">BBH", 0x44, 0, len(parts)) + places))

    length = len(start) + len(meta(0)) + 8
    return start + meta(length) + box(b"mdat", b"".join(part.data for part in parts))


def cropped(image: Image.Image, side: int) -> bytes:
    """Return a HEIC that shows a square from the middle of its picture."""
    one = coded(image)
    return heic_of(
        [Part(b"hvc1", one.data, (one.configuration, size_property(*image.size), crop_property(side, side)))]
    )


def grid(image: Image.Image, columns: int, rows: int, shown: tuple[int, int], **options: bytes) -> bytes:
    """Return a HEIC that shows a grid of one and the same tile."""
    one, count = coded(image), columns * rows
    tiles = [Part(b"hvc1", one.data, (one.configuration, size_property(*image.size)))] * count
    plan = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *shown)
    whole = Part(b"grid", plan, (size_property(*shown),), range(1, count + 1))
    return heic_of([*tiles, whole], primary=count + 1, **options)


def overlays(image: Image.Image, depth: int, wide: int, before_meta: bytes = b"") -> bytes:
    """Return a HEIC of overlays over overlays, each level over all of the one below."""
    one = coded(image)
    parts = [Part(b"hvc1", one.data, (one.configuration, size_property(*image.size)))] * wide
    plan = struct.pack(">BB4HII", 0, 1, 0, 0, 0, 65_535, 64, 64) + bytes(8 * wide)
    below = range(1, wide + 1)
    for _ in range(depth):
        parts += [Part(b"iovl", plan, (size_property(64, 64),), below)] * wide
        below = range(len(parts) - wide + 1, len(parts) + 1)
    return heic_of(parts, primary=len(parts), before_meta=before_meta)


def noted(image: Image.Image, exif: bytes, *turns: bytes, xmp: bytes = b"") -> bytes:
    """Return a HEIC with EXIF of one's own, and properties that turn the picture."""
    one = coded(image)
    picture = Part(b"hvc1", one.data, (one.configuration, size_property(*image.size), *turns))
    parts = [picture]
    if exif:
        parts.append(Part(b"Exif", struct.pack(">I", 6) + b"Exif\0\0" + exif, (), (1,), b"cdsc"))
    if xmp:
        parts.append(Part(b"mime", xmp, (), (1,), b"cdsc", b"application/rdf+xml"))
    return heic_of(parts)
