"""Photo bytes to an upright RGB image, or a clear refusal."""

import io
import math
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import pillow_heif
from PIL import Image

from handler.decoding.flatten import flatten
from handler.decoding.heif import read_heif
from handler.decoding.jpeg import read_jpeg
from handler.decoding.jpeg_pixels import decode_jpeg
from handler.decoding.orientation import has_byte_tag, orientation_of, upright
from handler.decoding.png import read_png
from handler.decoding.refusals import broken_off
from handler.decoding.structure import check_structure
from handler.decoding.webp import is_filled_up
from handler.errors import ErrorCode, PhotoError

pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
# A damaged tag is the photo's business, not the log's: Pillow warns once a tag.
warnings.filterwarnings("ignore", module=r"PIL\.")
# decode() holds its own limit against the header, before a pixel is read; Pillow's warns at a fixed one.
Image.MAX_IMAGE_PIXELS = None

_OTHER_FORMATS = ("PNG", "WEBP", "HEIF", "BMP", "GIF", "TIFF")  # a JPEG is read by handler.decoding.jpeg
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
        orientation: 1 to 8, as the file says it; the images are already turned by it.
        larger: the same photo with more pixels, if it was asked for and costs no second decode.
    """

    image: Image.Image
    orientation: int
    larger: Image.Image | None = None


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
    if photo.startswith(b"\xff\xd8"):
        return _decode_jpeg(photo, limits, least_side, deadline, longest_side)
    check_structure(photo)
    if photo.startswith(b"\x89PNG"):
        photo = read_png(photo)
    heif = read_heif(photo) if photo[4:8] == b"ftyp" else None
    image = _open(photo)
    _check_size(image.format or "", image.size, limits)
    pixels = image.width * image.height
    if heif is not None:
        _check_pixels("HEIF", heif.decoded_pixels, limits)
        pixels = heif.decoded_pixels
        _check_range(image)
        # pillow-heif changes the orientation that it finds in the notes.
        notes = {} if heif.turned else {"exif": heif.exif, "xmp": heif.xmp}
        image.info = {**image.info, "exif": notes.get("exif"), "xmp": notes.get("xmp")}
    noted = orientation_of(image)
    byte_tag = has_byte_tag(image)
    with _turn(deadline) if pixels > _LARGE else nullcontext():
        _load(image)
        if image.format == "WEBP" and is_filled_up(photo):
            raise broken_off()
        # Pillow turns a TIFF while it loads; the notes of a PNG may stand behind its pixels.
        left = noted if byte_tag else orientation_of(image)
        noted = noted if image.format == "TIFF" else left
        finished = _finished(image, _least_side(least_side, longest_side, image.size), noted, left)
        if not larger_side:
            return finished
        # flatten() keeps four times the least side. Twice the wanted side is enough for a sharp picture.
        larger = _finished(image, _least_side(1, larger_side // 2, image.size), noted, left)
        return replace(finished, larger=larger.image)


def _decode_jpeg(
    photo: bytes, limits: Limits, least_side: int | None, deadline: float, longest_side: int
) -> DecodedPhoto:
    jpeg = read_jpeg(photo)
    size = jpeg.width, jpeg.height
    _check_size("JPEG", size, limits)
    with _turn(deadline) if not jpeg.one_pass and jpeg.width * jpeg.height > _LARGE else nullcontext():
        least_side = _least_side(least_side, longest_side, size)
        image = decode_jpeg(jpeg, photo, least_side or 0)
        notes = {"exif": jpeg.exif, "xmp": jpeg.xmp, "icc_profile": jpeg.profile}
        image.info = {name: note for name, note in notes.items() if note is not None}
        orientation = orientation_of(image)
        return _finished(image, least_side, orientation, orientation)


def _least_side(least_side: int | None, longest_side: int, size: tuple[int, int]) -> int | None:
    """Return the least side at which the longer side is long enough, too."""
    return None if least_side is None else max(least_side, -(-longest_side * min(size) // max(size)))


def _finished(image: Image.Image, least_side: int | None, noted: int, left: int) -> DecodedPhoto:
    """Flatten a picture and turn it.

    Args:
        image: loaded.
        least_side: as :func:`decode_photo` has it.
        noted: orientation by the file.
        left: orientation of the loaded pixels.
    """
    return DecodedPhoto(upright(flatten(image, least_side), left), noted)


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


def _check_size(file_format: str, size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    _check_pixels(file_format, width * height, limits)
    if min(width, height) < limits.min_side:
        raise PhotoError(
            ErrorCode.BAD_SHAPE,
            f"The photo has {width} x {height} pixels; nothing is recognised below {limits.min_side} a side.",
        )


def _check_pixels(file_format: str, pixels: int, limits: Limits) -> None:
    most = limits.max_pixels // _WEIGHTS.get(file_format, 1)
    if pixels > most:
        raise PhotoError(
            ErrorCode.TOO_MANY_PIXELS,
            f"The photo has {pixels} pixels to decode, the limit of {file_format} is {most}. Send a smaller photo.",
        )


def _check_range(image: Image.Image) -> None:
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
        return Image.open(io.BytesIO(data), formats=_OTHER_FORMATS)
    except MemoryError:
        raise
    except Exception:  # a hostile header makes Pillow's parsers raise nearly anything
        raise PhotoError(
            ErrorCode.NOT_AN_IMAGE, "The file starts like a photo but its header cannot be read. Export it again."
        ) from None


def _load(image: Image.Image) -> None:
    """Decode every row."""
    try:
        image.load()
    except MemoryError:
        raise
    except Exception:  # as above: any decoder, any exception
        raise broken_off() from None
