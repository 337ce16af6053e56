"""The pixels of a JPEG that was read and rebuilt: all of them, or a refusal."""

import io
import re
from collections.abc import Sequence

import simplejpeg
from PIL import Image

from handler.decoding.jpeg import Jpeg, Scan, entropy_end
from handler.decoding.refusals import broken_off

_COLOURS = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
# What stands in for data that are missing. A decoder that needs any of it shows two different pictures.
_PADDINGS = (b"\x00" * 64, b"\x55" * 64)
_EMPTY_TAIL = b"\x00" * 64  # of this length and more: a copy that broke off, not a picture's data


def decode_jpeg(jpeg: Jpeg, data: bytes | bytearray, least_side: int) -> Image.Image:
    """Decode every row.

    libjpeg fills what is missing with grey and only warns, and it warns of harmless oddities as well. A photo without
    any warning is complete. For all others the rows themselves decide.

    Args:
        jpeg: what :func:`handler.decoding.jpeg.read_jpeg` made of the file.
        data: the file.
        least_side: libjpeg may decode at 1/8 to 7/8 of the size, both sides at least this; 0: in full. The photo may
            yet be turned, so both sides keep it.

    Returns:
        Image of mode L, RGB or CMYK.

    Raises:
        PhotoError: 400 ``truncated_image``.
    """
    try:
        return decode_without_warnings(jpeg, data, least_side)
    except ValueError:
        pass
    # The end that was found fast may be that of another picture, behind this one.
    scan_data = [bytes(data[scan.begin : entropy_end(data, scan.begin)]) for scan in jpeg.scans]
    try:
        return _without_warnings(jpeg, scan_data, least_side)
    except ValueError as warning:
        complaint = str(warning).lower()
    if "premature end of data segment" in complaint:  # the first warning: nothing harmless came before it
        raise broken_off()
    last = jpeg.scans[-1].begin + len(scan_data[-1])
    if data[last : last + 2] != b"\xff\xd9" and "extraneous bytes" not in complaint:
        raise broken_off()  # neither an end marker nor notes behind the picture: something else was read as its data
    return _decode_by_rows(jpeg, scan_data, least_side)


def decode_without_warnings(jpeg: Jpeg, data: bytes | bytearray, least_side: int) -> Image.Image:
    """Decode a JPEG that libjpeg has nothing to complain about.

    Raises:
        ValueError: libjpeg's first warning.
    """
    view = memoryview(data)
    return _without_warnings(jpeg, [view[scan.begin : scan.end] for scan in jpeg.scans], least_side)


def _without_warnings(jpeg: Jpeg, scan_data: Sequence[bytes | memoryview], least_side: int) -> Image.Image:
    return _decode(jpeg.rebuilt(scan_data), jpeg.mode, least_side, strict=True)


def _with_warnings(stream: bytes, mode: str, least_side: int) -> Image.Image:
    """Decode whatever libjpeg warns of.

    Raises:
        PhotoError: 400 ``truncated_image``: it cannot go on.
    """
    try:
        return _decode(stream, mode, least_side, strict=False)
    except ValueError:
        pass  # simplejpeg knows the usual sampling factors only
    try:
        picture = Image.open(io.BytesIO(stream), formats=["JPEG"])
        if least_side:
            picture.draft(None, (least_side, least_side))
        picture.load()
        return picture
    except MemoryError:
        raise
    except Exception:  # whatever Pillow raises for a damaged JPEG
        raise broken_off() from None


def _decode(stream: bytes, mode: str, least_side: int, strict: bool) -> Image.Image:
    pixels = simplejpeg.decode_jpeg(stream, _COLOURS[mode], min_height=least_side, min_width=least_side, strict=strict)
    if mode == "CMYK":
        pixels = 255 - pixels  # stored inverted, as Adobe does it. Source: Pillow, JpegImagePlugin, "CMYK;I"
    return Image.fromarray(pixels.squeeze(axis=2) if mode == "L" else pixels, mode)


def _decode_by_rows(jpeg: Jpeg, scan_data: list[bytes], least_side: int) -> Image.Image:
    """Decode a JPEG twice, each time with other data behind the end of its own; both pictures must be the same."""
    pictures = []
    for padding in _PADDINGS:
        padded = [_padded(jpeg, scan, own, padding) for scan, own in zip(jpeg.scans, scan_data, strict=True)]
        stream = jpeg.rebuilt(padded)
        pictures.append(_with_warnings(stream, jpeg.mode, least_side))
    if pictures[0].tobytes() != pictures[1].tobytes():
        raise broken_off()
    return pictures[0]


def _padded(jpeg: Jpeg, scan: Scan, content: bytes, padding: bytes) -> bytes:
    """Return a scan's data with padding behind each interval and the restart markers counted anew.

    Phones are known to number restart markers wrongly; where all intervals are there, their order says enough.

    Raises:
        PhotoError: 400 ``truncated_image``: intervals are missing.
    """
    intervals = _RESTART.split(content)
    if scan.restart_interval:
        needed = -(-_mcus(jpeg, scan) // scan.restart_interval)
        if len(intervals) < needed:
            raise broken_off()
    else:
        needed = 1
    padded = []
    for number, interval in enumerate(intervals[:needed]):
        end = interval.rstrip(b"\xff")  # fill bytes; without them the padding is no marker
        if number == needed - 1 and end.endswith(_EMPTY_TAIL):
            end = end.rstrip(b"\x00") + b"\x00\x00"  # the last bytes of a picture's own data may be zeros
        padded.append(end + padding + (b"" if number == needed - 1 else bytes([0xFF, 0xD0 + number % 8])))
    return b"".join(padded)


def _mcus(jpeg: Jpeg, scan: Scan) -> int:
    """Return how many minimum coded units a scan has. Source: ITU-T T.81, A.1.1 and A.2."""
    across = max(factors[0] for factors in jpeg.sampling)
    down = max(factors[1] for factors in jpeg.sampling)
    if len(scan.components) > 1:
        return -(-jpeg.width // (8 * across)) * -(-jpeg.height // (8 * down))
    own_across, own_down = jpeg.sampling[scan.components[0]]
    columns, rows = -(-jpeg.width * own_across // across), -(-jpeg.height * own_down // down)
    return -(-columns // 8) * -(-rows // 8)
