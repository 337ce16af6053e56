"""Read a JPEG by the format's grammar and rebuild it, so that a decoder sees only what is understood here.

A check that reads the file in another way than the decoder protects nothing. Therefore the decoder never gets the
file's own bytes: it gets a new JPEG of the frame, the tables and the scans that this module found.

Source: ITU-T T.81, annex B (syntax), table B.1 (markers) and annex G (progressive); ``next_marker`` of libjpeg-turbo's
jdmarker.c for bytes between segments.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from handler.decoding.refusals import broken_off, odd_structure
from handler.errors import ErrorCode, PhotoError

_MOST_SEGMENTS = 2_000  # an extended XMP of 10 MB has 160
_MOST_EXIF_SEGMENTS = 16  # programs write one
# A JPEG in several scans goes over the whole picture once a scan and keeps its coefficients, 2 bytes each, meanwhile.
# A camera's progressive JPEG has 10 scans, so this is 50 million pixels of it: 300 MB, some 2 s.
_MOST_SCANNED_PIXELS = 500_000_000
_FEWEST_SCANS = 10

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2  # Huffman coding; all other processes are refused
_STANDALONE = (0x01, *range(0xD0, 0xD8))  # TEM and the restart markers: no length follows
_PASSED_OVER = (0xCC, 0xDC, *range(0xE0, 0xF0), 0xFE)  # arithmetic conditioning, DNL, application data, comment
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}

_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # neither a stuffed byte nor a restart
_JFIF = bytes.fromhex("ffe000104a46494600010100000100010000")  # version 1.01, no density
_ICC = b"ICC_PROFILE\0"
_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True)
class Scan:
    """One scan: its tables, its header and where its entropy-coded data lie in the file.

    Attributes:
        tables: quantisation and Huffman tables and restart intervals that stand before it, whole segments.
        header: the whole segment.
        components: positions in the frame.
        restart_interval: MCUs between two restart markers; 0: there are none.
        begin: first byte of the data.
        end: byte behind the data.
    """

    tables: bytes
    header: bytes
    components: tuple[int, ...]
    restart_interval: int
    begin: int
    end: int


@dataclass
class Jpeg:
    """A JPEG as it was understood.

    Attributes:
        frame: the whole frame header segment.
        width: pixels.
        height: pixels.
        sampling: horizontal and vertical sampling factor of each component.
        colour_marks: the JFIF and Adobe segments that say what the components mean.
        scans: in the order of the file.
        one_pass: a single sequential scan holds all components: a decoder keeps a few rows, not the picture.
        exif: the first EXIF segment, from its byte order on.
        xmp: the first XMP packet.
        profile: the ICC profile, joined.
    """

    frame: bytes = b""
    width: int = 0
    height: int = 0
    sampling: tuple[tuple[int, int], ...] = ()
    colour_marks: bytes = b""
    scans: list[Scan] = field(default_factory=list)
    one_pass: bool = False
    exif: bytes | None = None
    xmp: bytes | None = None
    profile: bytes | None = None

    @property
    def mode(self) -> str:
        """Pillow's name of what the components mean."""
        return _MODES[len(self.sampling)]

    def rebuilt(self, scan_data: Sequence[bytes | memoryview]) -> bytes:
        """Return a JPEG of nothing but what was understood.

        Args:
            scan_data: the entropy-coded data of each scan.
        """
        parts: list[bytes | memoryview] = [b"\xff\xd8", self.colour_marks, self.frame]
        for scan, content in zip(self.scans, scan_data, strict=True):
            parts += (scan.tables, scan.header, content)
        return b"".join([*parts, b"\xff\xd9"])


def read_jpeg(data: bytes | bytearray) -> Jpeg:
    """Read the structure of a file's first picture.

    Raises:
        PhotoError: 400 ``not_an_image``: no JPEG after the grammar, or a coding process that is not on the list; 400
            ``truncated_image``: it ends before every coefficient is there; 413 ``too_many_pixels``: too many scans.
    """
    return _Reader(data).read()


def entropy_end(data: bytes | bytearray, begin: int) -> int:
    """Return where the entropy-coded data that begin at a position end: at a marker that is no restart, or the end."""
    found = _MARKER_IN_SCAN.search(data, begin)
    return len(data) if found is None else found.start()


class _Reader:
    """The walk over a file's segments."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = data
        self.jpeg = Jpeg()
        self.ids: tuple[int, ...] = ()
        self.precision: list[list[int | None]] = []  # by component and coefficient: the lowest bit that is there
        self.tables: list[bytes] = []
        self.restart_interval = 0
        self.exif_segments = self.scans_seen = 0
        self.jfif = self.adobe = b""
        self.profile_parts: dict[int, bytes] = {}

    def read(self) -> Jpeg:
        position, segments = 2, 0
        while True:
            found = _MARKER.search(self.data, position)  # skips what stands between segments, as libjpeg does
            if found is None:
                break
            marker, position = self.data[found.start() + 1], found.end()
            segments += 1
            if segments > _MOST_SEGMENTS:
                raise odd_structure(f"JPEG has more than {_MOST_SEGMENTS} segments")
            if marker == _EOI:
                break
            if marker in _STANDALONE:
                continue
            end = self._segment_end(marker, position)
            if end is None:  # what follows a whole picture is not the picture's
                break
            if marker == _SOS:
                self._count_scan()
                position = self._data_end(end) if self._is_whole() else self._scan(position, end)
                if self.jpeg.one_pass:
                    break
            elif self._is_whole():
                position = end
            else:
                self._segment(marker, position, end)
                position = end
        return self._whole()

    def _segment_end(self, marker: int, position: int) -> int | None:
        """Return where a segment ends; None for what is no segment of a picture that is already whole.

        Raises:
            PhotoError: the picture is not whole yet.
        """
        known = marker in (_SOS, _DQT, _DHT, _DRI, _BASELINE, _EXTENDED, _PROGRESSIVE) or marker in _PASSED_OVER
        length = int.from_bytes(self.data[position : position + 2], "big")
        if known and length >= 2 and position + length <= len(self.data):
            return position + length
        if self._is_whole():
            return None
        if not known:
            raise odd_structure(
                f"JPEG has a marker FF{marker:02X}, a coding process or extension that is not read here"
            )
        raise broken_off()

    def _segment(self, marker: int, begin: int, end: int) -> None:
        content = bytes(self.data[begin + 2 : end])
        if marker in (_DQT, _DHT, _DRI):
            self.tables.append(bytes(self.data[begin - 2 : end]))
            if marker == _DRI and len(content) == 2:
                self.restart_interval = int.from_bytes(content, "big")
        elif marker in (_BASELINE, _EXTENDED, _PROGRESSIVE):
            self._frame(marker, content)
        elif not self.jpeg.scans:
            self._application_data(marker, content)

    def _application_data(self, marker: int, content: bytes) -> None:
        jpeg = self.jpeg
        if marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 14:
            self.jfif = _JFIF
        elif marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12:
            self.adobe = b"\xff\xee\x00\x0e" + content[:12]
        elif marker == 0xE1 and content.startswith(_EXIF[:4]):
            self.exif_segments += 1
            if self.exif_segments > _MOST_EXIF_SEGMENTS:
                raise odd_structure(f"JPEG has more than {_MOST_EXIF_SEGMENTS} EXIF segments")
            if jpeg.exif is None:
                jpeg.exif = content[len(_EXIF) :]
        elif marker == 0xE1 and content.startswith(_XMP) and jpeg.xmp is None:
            jpeg.xmp = content[len(_XMP) :]
        elif marker == 0xE2 and content.startswith(_ICC) and len(content) > 14:
            self.profile_parts.setdefault(content[12], content[14:])
            if len(self.profile_parts) == content[13]:
                jpeg.profile = b"".join(self.profile_parts[number] for number in sorted(self.profile_parts))

    def _frame(self, marker: int, content: bytes) -> None:
        """Take in the frame header. Source: ITU-T T.81, B.2.2."""
        if self.jpeg.frame:
            raise odd_structure("JPEG has two frames")
        if len(content) < 6 or len(content) != 6 + 3 * content[5] or content[5] not in _MODES:
            raise odd_structure("JPEG has a frame header that is not of 1, 3 or 4 components")
        depth, self.jpeg.height, self.jpeg.width, count = struct.unpack_from(">BHHB", content)
        if depth != 8:
            raise odd_structure(f"JPEG has {depth} bits a component and not 8")
        if not self.jpeg.width or not self.jpeg.height:
            raise odd_structure("JPEG has no width or no height")
        self.ids = tuple(content[6::3])
        self.jpeg.sampling = tuple((factors >> 4, factors & 15) for factors in content[7::3])
        if not all(1 <= factor <= 4 for pair in self.jpeg.sampling for factor in pair):
            raise odd_structure("JPEG has a sampling factor that is not 1 to 4")
        self.jpeg.frame = bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
        self.precision = [[None] * 64 for _ in range(count)]

    def _scan(self, begin: int, end: int) -> int:
        """Take in a scan; return where its data end. Source: ITU-T T.81, B.2.3."""
        jpeg, content = self.jpeg, bytes(self.data[begin + 2 : end])
        if not jpeg.frame:
            raise odd_structure("JPEG has a scan before its frame")
        count = content[0] if content else 0
        if not 1 <= count <= 4 or len(content) != 4 + 2 * count:
            raise odd_structure("JPEG has a scan header of another length than its components say")
        components: list[int] = []
        for identifier in content[1 : 1 + 2 * count : 2]:  # two components may bear one name: each is taken once
            places = [i for i, name in enumerate(self.ids) if name == identifier and i not in components]
            if not places:
                raise odd_structure("JPEG has a scan of a component that its frame does not have")
            components.append(places[0])
        sequential = jpeg.frame[1] != _PROGRESSIVE
        # Phones write other parameters into sequential scans; there they have no meaning.
        first, last, bits = (0, 63, 0) if sequential else content[-3:]
        jpeg.one_pass = sequential and not jpeg.scans and count == len(self.ids)
        data_end = self._data_end(end)
        self._progress(components, first, last, bits >> 4, bits & 15)
        header = b"\xff\xda" + struct.pack(">H", len(content) + 2) + content[:-3] + bytes([first, last, bits])
        scan = Scan(b"".join(self.tables), header, tuple(components), self.restart_interval, end, data_end)
        self.tables = []
        jpeg.scans.append(scan)
        return data_end

    def _count_scan(self) -> None:
        """Refuse more scans than a decoder may go over the picture; those behind the last that adds something count."""
        self.scans_seen += 1
        pixels = self.jpeg.width * self.jpeg.height
        if self.scans_seen > 1 or self.jpeg.frame[1:2] == bytes([_PROGRESSIVE]):
            most = _MOST_SCANNED_PIXELS // max(self.scans_seen, _FEWEST_SCANS)
            if pixels > most:
                raise PhotoError(
                    ErrorCode.TOO_MANY_PIXELS,
                    f"The JPEG has {pixels} pixels in {self.scans_seen} or more scans, the limit is {most}. "
                    "Save it as a baseline JPEG, not a progressive one.",
                )

    def _data_end(self, begin: int) -> int:
        """Return where the entropy-coded data of a scan end."""
        # The last end marker is found at once, however long the file is. What lies behind the picture's own end does no
        # harm: a decoder stops at the last row, and at the first end marker if rows are missing.
        if self.jpeg.one_pass:
            end = self.data.rfind(b"\xff\xd9", begin)
            return len(self.data) if end < 0 else end
        return entropy_end(self.data, begin)

    def _progress(self, components: list[int], first: int, last: int, high: int, low: int) -> None:
        """Note what a scan adds. Source: ITU-T T.81, G.1.1.1.1."""
        if not first <= last <= 63 or (first == 0 < last and self.jpeg.frame[1] == _PROGRESSIVE) or low > 13:
            raise odd_structure("JPEG has a scan of coefficients that the format does not know")
        if first > 0 and len(components) > 1:
            raise odd_structure("JPEG has a progressive scan of details of several components")
        for component in components:
            for place in range(first, last + 1):
                before = self.precision[component][place]
                if before is None or high in (0, before):
                    self.precision[component][place] = low

    def _is_whole(self) -> bool:
        """Return whether every coefficient is there to its last bit."""
        return bool(self.precision) and all(low == 0 for part in self.precision for low in part)

    def _whole(self) -> Jpeg:
        if not self._is_whole():
            raise broken_off()
        self.jpeg.colour_marks = self.jfif + self.adobe
        return self.jpeg
