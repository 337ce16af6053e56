"""Photo bytes to an upright RGB image, or a clear refusal."""

import io
import math
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import pillow_heif
import simplejpeg
from PIL import Image

from handler.decoding.flatten import flatten
from handler.decoding.orientation import orientation_of, upright
from handler.decoding.structure import check_structure
from handler.errors import ErrorCode, PhotoError

pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
# A damaged tag is the photo's business, not the log's: Pillow warns once a tag.
warnings.filterwarnings("ignore", module=r"PIL\.")
# decode() holds its own limit against the header, before a pixel is read; Pillow's warns at a fixed one.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "BMP", "GIF", "TIFF")
_JPEGS = ("JPEG", "MPO")  # MPO: several in one file, of which the first is read
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
# What a decoder holds beside the picture itself, as a multiple of the picture; so much lower is the format's limit, so
# that no photo takes more than some 400 MB. Measured: WebP 15.3, HEIF 7.9, TIFF up to 8 bytes a pixel.
_WEIGHTS = {"WEBP": 4, "HEIF": 2, "TIFF": 2}
_LARGE = 16_000_000  # pixels
_one_large_photo = threading.Lock()  # the memory of one is bounded, the number of decoding threads is not
_HDR_TRANSFERS = (16, 18)  # PQ and HLG. Source: ITU-T H.273, table 3
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)  # Source: Pillow, BmpImagePlugin


@dataclass(frozen=True)
class Limits:
    """What a photo and a request may cost, and the least a photo must show.

    Attributes:
        max_bytes: encoded size.
        max_pixels: width times height.
        min_side: width and height, pixels.
        max_photos: in one request.
    """

    max_bytes: int
    max_pixels: int
    min_side: int
    max_photos: int


@dataclass(frozen=True)
class DecodedPhoto:
    """The pixels of a photo.

    Attributes:
        image: mode RGB, upright.
        orientation: 1 to 8, as the file says it; the image is already turned by it.
    """

    image: Image.Image
    orientation: int


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
) -> DecodedPhoto:
    """Decode one photo: upright, first frame, alpha over white.

    Args:
        data: the encoded photo. The format is told by the bytes, never by a name or a header.
        limits: refused above these.
        least_side: a photo may come at a fraction of its size, both sides at least this; None: in full.
        deadline: until when the photo may wait for other large ones, monotonic seconds.
        longest_side: the longer side of a photo that comes at a fraction of its size is at least this.

    Raises:
        PhotoError: 400 ``empty_body``, ``not_an_image``, ``truncated_image``; 413 ``too_many_bytes``,
            ``too_many_pixels``; 415 ``unsupported_format``; 422 ``bad_shape``; 503 ``busy``.
    """
    if time.monotonic() > deadline:
        raise _busy()
    if len(data) == 0:
        raise PhotoError(ErrorCode.EMPTY_BODY, "The request carries no bytes. Send the photo as the request body.")
    if len(data) > limits.max_bytes:
        raise PhotoError(
            ErrorCode.TOO_MANY_BYTES,
            f"The photo has {len(data)} bytes, the limit is {limits.max_bytes}. Send a smaller JPEG.",
        )
    photo = bytes(data)  # once: of a bytearray, the engine's, every step below would make a copy of its own
    if not _has_photo_signature(photo[:18]):
        raise PhotoError(
            ErrorCode.UNSUPPORTED_FORMAT, "These bytes are no photo. Send JPEG, PNG, WebP, HEIC, BMP, GIF or TIFF."
        )
    held_whole = check_structure(photo)
    image = _open(photo)
    _check_size(image, limits)
    with _turn(deadline) if held_whole and image.width * image.height > _LARGE else nullcontext():
        if least_side is not None:
            least_side = max(least_side, -(-longest_side * min(image.size) // max(image.size)))
        pixels = flatten(_load(image, photo, least_side), least_side)
        orientation = orientation_of(image)
        return DecodedPhoto(upright(pixels, orientation), orientation)


@contextmanager
def _turn(deadline: float) -> Iterator[None]:
    """Wait until no other large photo is decoded.

    Raises:
        PhotoError: 503 ``busy``: it did not come to that.
    """
    if not _one_large_photo.acquire(timeout=min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)):
        raise _busy()
    try:
        yield
    finally:
        _one_large_photo.release()


def _busy() -> PhotoError:
    message = "Too many large photos came at once; this one was not reached. Try again later."
    return PhotoError(ErrorCode.BUSY, message)


def _check_size(image: Image.Image, limits: Limits) -> None:
    width, height = image.size
    most = limits.max_pixels // _WEIGHTS.get(image.format or "", 1)
    if width * height > most:
        raise PhotoError(
            ErrorCode.TOO_MANY_PIXELS,
            f"The photo has {width} x {height} pixels, the limit of {image.format} is {most}. Send a smaller photo.",
        )
    if min(width, height) < limits.min_side:
        raise PhotoError(
            ErrorCode.BAD_SHAPE,
            f"The photo has {width} x {height} pixels; nothing is recognised below {limits.min_side} a side.",
        )
    profile = image.info.get("nclx_profile") or {}
    if profile.get("transfer_characteristics") in _HDR_TRANSFERS:
        raise PhotoError(ErrorCode.UNSUPPORTED_FORMAT, "The photo is stored as HDR (PQ or HLG). Save it as a JPEG.")


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


def _open(data: bytes) -> Image.Image:
    """Read the header only."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except MemoryError:
        raise
    except Exception:  # a hostile header makes Pillow's parsers raise nearly anything
        raise PhotoError(
            ErrorCode.NOT_AN_IMAGE, "The file starts like a photo but its header cannot be read. Export it again."
        ) from None


def _load(image: Image.Image, data: bytes, least_side: int | None) -> Image.Image:
    """Decode every row."""
    try:
        if image.format in _JPEGS:
            image = _load_jpeg(image, data, least_side or 0)
        image.load()
        return image
    except MemoryError:
        raise
    except Exception:  # as above: any decoder, any exception
        raise PhotoError(
            ErrorCode.TRUNCATED_IMAGE,
            "The photo breaks off or is damaged, so it was not classified. Send the complete file again.",
        ) from None


def _load_jpeg(image: Image.Image, data: bytes, least_side: int) -> Image.Image:
    """Decode a JPEG with libjpeg's warnings as errors.

    Where a scan breaks off before an end marker, libjpeg fills the rest with grey and only warns; Pillow does not pass
    that on, and half a photo would be classified. Other oddities that libjpeg warns of are Pillow's to judge.

    Its inverse cosine transform gives 1/8 to 7/8 of the size for a fraction of the time.

    Raises:
        ValueError: the photo is not complete.
    """
    colours = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}[image.mode]
    try:
        # The photo may yet be turned, so both sides keep the least side.
        pixels = simplejpeg.decode_jpeg(data, colours, min_height=least_side, min_width=least_side, strict=True)
    except ValueError as error:
        if "premature end" in str(error).lower():
            raise
        pixels = None
    if pixels is None or colours == "CMYK":  # Pillow knows which CMYK is stored inverted
        if least_side:
            image.draft(None, (least_side, least_side))
        return image
    decoded = Image.fromarray(pixels.squeeze())
    decoded.info = dict(image.info)  # the colour profile is there
    return decoded
