"""Photo bytes to an upright RGB image, or a clear refusal."""

import math
import time

from PIL import Image

from handler.decoding.in_process import check_size, finish_jpeg
from handler.decoding.isolation import DecoderProcess, busy
from handler.decoding.jpeg import read_jpeg
from handler.decoding.jpeg_pixels import decode_without_warnings
from handler.decoding.limits import DecodedPhoto as DecodedPhoto
from handler.decoding.limits import Limits as Limits
from handler.decoding.limits import Wanted
from handler.errors import ErrorCode, PhotoError

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)  # Source: Pillow, BmpImagePlugin
# Of a JPEG in several scans that is decoded in the worker: some 0.2 s and 30 MB.
_MOST_SCANNED_PIXELS = 50_000_000

decoder_process = DecoderProcess()


def decode(
    data: bytes | bytearray | memoryview, limits: Limits, least_side: int | None = None, deadline: float = math.inf
) -> Image.Image:
    """Decode one photo as :func:`decode_photo` does and return its image alone."""
    return decode_photo(data, limits, least_side, deadline).image


def decode_photo(
    data: bytes | bytearray | memoryview,
    limits: Limits,
    least_side: int | None = None,
    deadline: float = math.inf,
    longest_side: int = 0,
    larger_side: int = 0,
) -> DecodedPhoto:
    """Decode one photo: upright, first frame, alpha over white.

    Args:
        data: the encoded photo. The format is told by the bytes, never by a name or a header.
        limits: refused above these.
        least_side: a photo may come at a fraction of its size, both sides at least this; None: in full.
        deadline: until when the photo may wait for other large ones, monotonic seconds.
        longest_side: the longer side of a photo that comes at a fraction of its size is at least this.
        larger_side: also return the photo with a longer side of at least this many pixels, where the decoder gives the
            whole photo anyway: all formats but JPEG. 0: do not.

    Raises:
        PhotoError: 400 ``empty_body``, ``not_an_image``, ``truncated_image``; 413 ``too_many_bytes``,
            ``too_many_pixels``, ``too_costly``; 415 ``unsupported_format``; 422 ``bad_shape``; 503 ``busy``.
    """
    if time.monotonic() > deadline:
        raise busy()
    if len(data) == 0:
        raise PhotoError(ErrorCode.EMPTY_BODY, "The request carries no bytes. Send the photo as the request body.")
    if len(data) > limits.max_bytes:
        raise PhotoError(
            ErrorCode.TOO_MANY_BYTES,
            f"The photo has {len(data)} bytes, the limit is {limits.max_bytes}. Send a smaller JPEG.",
        )
    if not _has_photo_signature(bytes(data[:18])):
        raise PhotoError(
            ErrorCode.UNSUPPORTED_FORMAT, "These bytes are no photo. Send JPEG, PNG, WebP, HEIC, BMP, GIF or TIFF."
        )
    wanted = Wanted(least_side, longest_side, larger_side)
    if isinstance(data, memoryview):
        data = bytes(data)
    if data.startswith(b"\xff\xd8"):
        decoded = _plain_jpeg(data, limits, wanted)
        if decoded is not None:
            return decoded
    return decoder_process.decode(data, limits, wanted, deadline)


def _plain_jpeg(data: bytes | bytearray, limits: Limits, wanted: Wanted) -> DecodedPhoto | None:
    """Decode a JPEG that is cheap by its structure and that libjpeg has nothing to complain about; None for any other.

    It was read by the grammar and rebuilt, and its cost follows from its size. A process of its own would protect
    nothing more and cost some milliseconds.
    """
    jpeg = read_jpeg(data)
    check_size("JPEG", jpeg.width, jpeg.height, limits)
    if not jpeg.one_pass and jpeg.width * jpeg.height * len(jpeg.scans) > _MOST_SCANNED_PIXELS:
        return None
    least_side = wanted.least_side_of(jpeg.width, jpeg.height)
    try:
        image = decode_without_warnings(jpeg, data, least_side or 0)
    except ValueError:  # libjpeg's first warning
        return None
    return finish_jpeg(image, jpeg, least_side)


def start() -> None:
    """Start the process that decodes what is no plain JPEG, so that the first of these photos need not wait for it."""
    decoder_process.start()


def _has_photo_signature(head: bytes) -> bool:
    """Tell from the first 18 bytes whether this is one of the formats we read."""
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")):
        return True
    if head.startswith(b"BM"):  # many a text begins so too
        return len(head) == 18 and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES
    if head.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS
