"""Photo bytes to an upright RGB image, or a clear refusal."""

import io
from dataclasses import dataclass

import numpy as np
import pillow_heif
import simplejpeg
from PIL import Image, ImageOps

from handler.errors import PhotoError

pillow_heif.register_heif_opener(thumbnails=False)
# decode() holds its own limit against the header, before a pixel is read; Pillow's warns at a fixed one.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "BMP", "GIF", "TIFF")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
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


def decode(data: bytes | bytearray | memoryview, limits: Limits) -> Image.Image:
    """Decode one photo: upright, first frame, alpha over white.

    Args:
        data: the encoded photo. The format is told by the bytes, never by a name or a header.
        limits: refused above these.

    Returns:
        Image of mode RGB, of the size that its EXIF orientation shows.

    Raises:
        PhotoError: 400 ``empty_body``, ``not_an_image``, ``truncated_image``; 413 ``too_many_bytes``,
            ``too_many_pixels``; 415 ``unsupported_format``; 422 ``bad_shape``.
    """
    if len(data) == 0:
        raise PhotoError(400, "empty_body", "The request carries no bytes. Send the photo as the request body.")
    if len(data) > limits.max_bytes:
        raise PhotoError(
            413,
            "too_many_bytes",
            f"The photo has {len(data)} bytes, the limit is {limits.max_bytes}. Send a smaller JPEG.",
        )
    if not _has_photo_signature(bytes(data[:18])):
        raise PhotoError(
            415, "unsupported_format", "These bytes are no photo. Send JPEG, PNG, WebP, HEIC, BMP, GIF or TIFF."
        )
    image = _open(data)
    width, height = image.size
    if width * height > limits.max_pixels:
        raise PhotoError(
            413,
            "too_many_pixels",
            f"The photo has {width} x {height} pixels, the limit is {limits.max_pixels}. Send a smaller photo.",
        )
    if min(width, height) < limits.min_side:
        raise PhotoError(
            422,
            "bad_shape",
            f"The photo has {width} x {height} pixels; nothing is recognised below {limits.min_side} a side.",
        )
    return _to_rgb(_load(image, data))


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


def _open(data: bytes | bytearray | memoryview) -> Image.Image:
    """Read the header only."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except MemoryError:
        raise
    except Exception:  # a hostile header makes Pillow's parsers raise nearly anything
        raise PhotoError(
            400, "not_an_image", "The file starts like a photo but its header cannot be read. Export it again."
        ) from None


def _load(image: Image.Image, data: bytes | bytearray | memoryview) -> Image.Image:
    """Decode every row, then turn the picture upright."""
    try:
        if image.format in ("JPEG", "MPO"):
            image = _load_jpeg(image, data)
        image.load()
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception:  # as above: any decoder, any exception
        raise PhotoError(
            400,
            "truncated_image",
            "The photo breaks off or is damaged, so it was not classified. Send the complete file again.",
        ) from None


def _load_jpeg(image: Image.Image, data: bytes | bytearray | memoryview) -> Image.Image:
    """Decode a JPEG with libjpeg's warnings as errors.

    Where a scan breaks off before an end marker, libjpeg fills the rest with grey and only warns; Pillow does not pass
    that on, and half a photo would be classified. Other oddities that libjpeg warns of are Pillow's to judge.

    Raises:
        ValueError: the photo is not complete.
    """
    colours = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}[image.mode]
    try:
        pixels = simplejpeg.decode_jpeg(bytes(data), colours, strict=True)
    except ValueError as error:
        if "premature end" in str(error).lower():
            raise
        return image
    if colours == "CMYK":
        return image  # Pillow knows which of them are stored inverted
    decoded = Image.fromarray(pixels.squeeze())
    decoded.info = dict(image.info)  # the orientation is there
    return decoded


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB; where Pillow's own conversion would clip or drop alpha, do it right."""
    if image.mode in ("I", "F"):
        raise PhotoError(
            415, "unsupported_format", "Pixels of 32 bits have no defined brightness here. Save with 8 or 16 bits."
        )
    if image.mode.startswith("I;16"):
        # Pillow's convert() clips at 255 instead of scaling, which turns a photo white.
        image = Image.fromarray((np.asarray(image, dtype=np.uint32) // 257).astype(np.uint8), mode="L")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
