"""Read a HEIC's boxes: which pictures a decoder will decode, how large they are, and which way up they stand.

Source: ISO/IEC 14496-12 (boxes, 8.11 the ``meta`` box) and ISO/IEC 23008-12 (properties, 6.6.2 derived pictures).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from handler.decoding.refusals import broken_off, odd_structure
from handler.errors import ErrorCode, PhotoError

_MOST_BOXES = 5_000  # of one box; a phone's picture of 48 tiles has some 150
_LISTS, _MOST_LIST_BYTES = (b"iinf", b"iloc", b"iref", b"ipma"), 1 << 18  # the phone's: 4,000 bytes
_LEAST_TILE_PIXELS = 65_536  # counted for each picture decoded, however small: a decoder is set up for each
_ALPHA = (b"aux:alpha", b"auxiliary:alpha", b"hevc:2015:auxid:1")
_MOST_NOTE_BYTES = 1 << 20  # of EXIF and of XMP
# The coding of HEVC never writes more than two zeros in a row, and a length before it begins with three at most.
# Source: ITU-T H.265, 7.3.1.1, emulation prevention.
_MISSING = b"\0" * 8


@dataclass
class Item:
    """One item of the file: a picture, or notes about one.

    Attributes:
        kind: four letters.
        content_type: of an item of kind ``mime``.
        properties: kind and content of each, in the order of their association.
        extents: where its bytes lie in the file, begin and end; empty where they lie elsewhere.
    """

    kind: bytes
    content_type: bytes = b""
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    extents: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Heif:
    """What the boxes say.

    Attributes:
        decoded_pixels: of all pictures that are decoded for the one shown.
        turned: the decoder turns the picture itself, so EXIF and XMP have no say.
        exif: from its byte order on.
        xmp: the packet.
    """

    decoded_pixels: int
    turned: bool
    exif: bytes | None
    xmp: bytes | None


def read_heif(data: bytes) -> Heif:
    """Read the boxes of a HEIC.

    Raises:
        PhotoError: 400 ``not_an_image``: no HEIC by the format; 400 ``truncated_image``: picture data are missing; 415
            ``unsupported_format``: the picture is put together in a way that is not read here.
    """
    try:
        return _Reader(data).read()
    except (struct.error, IndexError):
        raise odd_structure("HEIC has boxes that end too early") from None


class _Reader:
    """The walk over a file's boxes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.items: dict[int, Item] = {}
        self.references: list[tuple[bytes, int, list[int]]] = []  # kind, from, to

    def read(self) -> Heif:
        metas = [(begin, end) for kind, begin, end in self._boxes(0, len(self.data)) if kind == b"meta"]
        if len(metas) != 1:
            raise odd_structure(f"HEIC has {len(metas)} boxes of the kind meta and not one")
        begin, end = metas[0]
        parts = self._children(begin + 4, end)
        for kind in (b"pitm", b"iinf", b"iprp", b"iloc", b"iref", b"idat"):
            found = len(parts.get(kind, []))
            if found > 1 or not (found or kind in (b"iref", b"idat")):
                raise odd_structure(f"HEIC has {found} boxes of the kind {kind.decode()} and not one")
        self._item_information(*parts[b"iinf"][0])
        self._locations(*parts[b"iloc"][0], *parts.get(b"idat", []))
        self._properties(*parts[b"iprp"][0])
        for place in parts.get(b"iref", []):
            self._item_references(*place)
        begin, _ = parts[b"pitm"][0]
        primary = self._number(begin + 4, 4 if self.data[begin] else 2)
        return self._heif(primary)

    def _heif(self, primary: int) -> Heif:
        pictures = self._decoded(primary)
        for kind, alpha, of in self.references:
            if kind == b"auxl" and primary in of and self._is_alpha(alpha):
                pictures += self._decoded(alpha)
                if len(pictures) > _MOST_BOXES:
                    raise odd_structure(f"HEIC has more than {_MOST_BOXES} pictures in one")
        self._check_data(set(pictures))
        pixels = sum(max(self._pixels(picture), _LEAST_TILE_PIXELS) for picture in pictures)
        turned = any(kind in (b"irot", b"imir") for kind, _ in self.items[primary].properties)
        return Heif(pixels, turned, *self._notes(primary))

    def _decoded(self, number: int) -> list[int]:
        """Return the coded pictures behind an item, one for each time that it is decoded."""
        kind = self.items[number].kind if number in self.items else b"none"
        if kind == b"hvc1":
            return [number]
        if kind == b"grid":
            parts = [to for name, source, to in self.references if name == b"dimg" and source == number]
            tiles = [tile for to in parts for tile in to]
            if tiles and all(tile in self.items and self.items[tile].kind == b"hvc1" for tile in tiles):
                return tiles
        raise PhotoError(
            ErrorCode.UNSUPPORTED_FORMAT,
            "The HEIC is neither one picture nor a grid of HEVC tiles, as phones write it. Save a JPEG.",
        )

    def _pixels(self, number: int) -> int:
        """Return a coded picture's pixels before anything is cropped."""
        sizes = [content for kind, content in self.items[number].properties if kind == b"ispe"]
        if len(sizes) != 1:
            raise odd_structure("HEIC has a picture without its size")
        width, height = struct.unpack_from(">II", sizes[0], 4)
        return int(width) * int(height)

    def _is_alpha(self, number: int) -> bool:
        properties = self.items[number].properties if number in self.items else []
        return any(kind == b"auxC" and any(name in content for name in _ALPHA) for kind, content in properties)

    def _check_data(self, pictures: set[int]) -> None:
        """Refuse pictures whose data are missing: decoders fill the place with grey or green and say nothing."""
        length = 0
        for picture in pictures:
            extents = self.items[picture].extents
            if not extents:
                raise odd_structure("HEIC has a picture whose data lie in no place of the file")
            for begin, end in extents:
                length += end - begin
                if end > len(self.data):
                    raise broken_off()
                if length > len(self.data):
                    raise odd_structure("HEIC has pictures that share their data")
                if self.data.find(_MISSING, begin, end) >= 0:
                    raise broken_off()

    def _notes(self, primary: int) -> tuple[bytes | None, bytes | None]:
        """Return EXIF and XMP that describe the primary picture."""
        exif = xmp = None
        described = [source for kind, source, to in self.references if kind == b"cdsc" and primary in to]
        for number in described:
            item = self.items.get(number, Item(b""))
            begin, end = (item.extents or [(0, 0)])[0]
            content = self.data[begin : min(end, begin + _MOST_NOTE_BYTES)]
            if item.kind == b"Exif" and exif is None and len(content) > 4:
                exif = content[4 + int.from_bytes(content[:4], "big") :]
            elif item.kind == b"mime" and item.content_type == b"application/rdf+xml" and xmp is None:
                xmp = content
        return exif, xmp

    def _item_information(self, begin: int, end: int) -> None:
        start = begin + (8 if self.data[begin] else 6)
        for kind, place, place_end in self._boxes(start, end):
            if kind != b"infe" or self.data[place] not in (2, 3):
                raise odd_structure("HEIC has an item that is described in a way no program writes any more")
            wide = 4 if self.data[place] == 3 else 2
            number = self._number(place + 4, wide)
            name = place + 10 + wide
            rest = self.data[name:place_end].split(b"\0")
            if number in self.items:
                raise odd_structure("HEIC has two items of one number")
            self.items[number] = Item(self.data[name - 4 : name], rest[1] if len(rest) > 1 else b"")

    def _locations(self, begin: int, end: int, item_data: tuple[int, int] | None = None) -> None:
        """Take in where the items lie: in the file or in the box for small ones. Source: ISO/IEC 14496-12, 8.11.3."""
        version = self.data[begin]
        offset_size, length_size = self.data[begin + 4] >> 4, self.data[begin + 4] & 15
        base_size, index_size = self.data[begin + 5] >> 4, self.data[begin + 5] & 15 if version else 0
        wide = 4 if version == 2 else 2
        count, at = self._number(begin + 6, wide), begin + 6 + wide
        for _ in range(count):
            number, at = self._number(at, wide), at + wide
            method = self._number(at, 2) & 15 if version else 0
            at += 2 if version else 0
            elsewhere, base, extents = self._number(at, 2), self._number(at + 2, base_size), []
            pieces, at = self._number(at + 2 + base_size, 2), at + 4 + base_size
            for _ in range(pieces):
                offset = base + self._number(at + index_size, offset_size)
                length = self._number(at + index_size + offset_size, length_size)
                at += index_size + offset_size + length_size
                extents.append((offset, offset + length))
                if at > end:
                    raise odd_structure("HEIC has a list of places that ends too early")
            if method == 1 and item_data is not None:
                extents = [(first + item_data[0], last + item_data[0]) for first, last in extents]
            elif method:
                extents = []
            if number in self.items and not elsewhere:
                self.items[number].extents = extents

    def _properties(self, begin: int, end: int) -> None:
        """Take in the properties of the items. Source: ISO/IEC 23008-12, 9.3."""
        parts = self._children(begin, end)
        if len(parts.get(b"ipco", [])) != 1:
            raise odd_structure("HEIC has more or fewer than one list of properties")
        properties = [(kind, self.data[at:to]) for kind, at, to in self._boxes(*parts[b"ipco"][0])]
        for at, to in parts.get(b"ipma", []):
            version, long = self.data[at], self.data[at + 3] & 1
            count, at = self._number(at + 4, 4), at + 8
            for _ in range(count):
                wide = 4 if version else 2
                number, associated, at = self._number(at, wide), self.data[at + wide], at + wide + 1
                indices = [self._number(at + step * (1 + long), 1 + long) for step in range(associated)]
                at += associated * (1 + long)
                if at > to:
                    raise odd_structure("HEIC has a list of properties that ends too early")
                for index in indices:
                    index &= 0x7FFF if long else 0x7F
                    if index and number in self.items:
                        self.items[number].properties.append(properties[index - 1])

    def _item_references(self, begin: int, end: int) -> None:
        wide = 4 if self.data[begin] else 2
        for kind, at, to in self._boxes(begin + 4, end):
            source, count = self._number(at, wide), self._number(at + wide, 2)
            if at + wide + 2 + count * wide > to:
                raise odd_structure("HEIC has a list of references that ends too early")
            targets = [self._number(at + wide + 2 + index * wide, wide) for index in range(count)]
            self.references.append((kind, source, targets))

    def _children(self, begin: int, end: int) -> dict[bytes, list[tuple[int, int]]]:
        """Return where the contents of a box's children begin and end, by their kind."""
        found: dict[bytes, list[tuple[int, int]]] = {}
        for kind, at, to in self._boxes(begin, end):
            found.setdefault(kind, []).append((at, to))
        return found

    def _boxes(self, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        """Yield kind, begin and end of the content of each box in a row. Source: ISO/IEC 14496-12, 4.2."""
        outermost = end == len(self.data) and begin == 0
        for _ in range(_MOST_BOXES):
            if begin + 8 > end:
                return
            size, header = self._number(begin, 4), 8
            if size == 1:
                size, header = self._number(begin + 8, 8), 16
            elif size == 0 and outermost:
                size = end - begin
            if size < header or begin + size > end:
                if not outermost:
                    raise odd_structure("HEIC has a box that is longer than the one around it")
                if self.data[begin + 4 : begin + 8] == b"mdat":
                    raise broken_off()
                return  # what some phones write behind the last box
            kind = self.data[begin + 4 : begin + 8]
            if kind in _LISTS and size > _MOST_LIST_BYTES:
                raise odd_structure(f"HEIC has a box {kind.decode()} of more than {_MOST_LIST_BYTES} bytes")
            yield kind, begin + header, begin + size
            begin += size
        raise odd_structure(f"HEIC has more than {_MOST_BOXES} boxes in one")

    def _number(self, at: int, size: int) -> int:
        if at + size > len(self.data):
            raise IndexError(at)
        return int.from_bytes(self.data[at : at + size], "big")
