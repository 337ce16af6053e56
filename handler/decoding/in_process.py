"""Decode one photo in this process, at whatever price its own decoder asks."""

import io
import warnings
from collections.abc import Callable
from dataclasses import replace

import pillow_heif
from PIL import Image

from handler.decoding.flatten import flatten
from handler.decoding.heif import read_heif
from handler.decoding.jpeg import Jpeg, read_jpeg
from handler.decoding.jpeg_pixels import decode_jpeg
from handler.decoding.limits import DecodedPhoto, Limits, Wanted
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
# What a decoder holds beside the picture itself, as a multiple of the picture; so much lower is the format's limit, so
# that no photo takes more than some 400 MB. Measured: WebP 15.3, HEIF 7.9, TIFF up to 8 bytes a pixel.
_WEIGHTS = {"WEBP": 4, "HEIF": 2, "TIFF": 2}
_HDR_TRANSFERS = (16, 18)  # PQ and HLG. Source: ITU-T H.273, table 3


def decode_in_process(
    photo: bytes, limits: Limits, wanted: Wanted, before_pixels: Callable[[int], None] = lambda _: None
) -> DecodedPhoto:
    """Decode one photo as :func:`handler.decoding.decode.decode_photo` does.

    Args:
        photo: encoded, of a format that is read here.
        limits: refused above these.
        wanted: how large.
        before_pixels: is told how many pixels a decoder will hold, after all checks and before the first pixel.

    Raises:
        PhotoError: as there, but for ``busy`` and ``too_costly``.
    """
    if photo.startswith(b"\xff\xd8"):
        jpeg = read_jpeg(photo)
        check_size("JPEG", jpeg.width, jpeg.height, limits)
        before_pixels(0 if jpeg.one_pass else jpeg.width * jpeg.height)
        least_side = wanted.least_side_of(jpeg.width, jpeg.height)
        return finish_jpeg(decode_jpeg(jpeg, photo, least_side or 0), jpeg, least_side)
    check_structure(photo)
    if photo.startswith(b"\x89PNG"):
        photo = read_png(photo)
    heif = read_heif(photo) if photo[4:8] == b"ftyp" else None
    image = _open(photo)
    check_size(image.format or "", *image.size, limits)
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
    before_pixels(pixels)
    _load(image)
    if image.format == "WEBP" and is_filled_up(photo):
        raise broken_off()
    # Pillow turns a TIFF while it loads; the notes of a PNG may stand behind its pixels.
    left = noted if byte_tag else orientation_of(image)
    noted = noted if image.format == "TIFF" else left
    finished = _finished(image, wanted.least_side_of(*image.size), noted, left)
    if not wanted.larger_side:
        return finished
    # flatten() keeps four times the least side. Twice the wanted side is enough for a sharp picture.
    larger = _finished(image, Wanted(1, wanted.larger_side // 2).least_side_of(*image.size), noted, left)
    return replace(finished, larger=larger.image)


def finish_jpeg(image: Image.Image, jpeg: Jpeg, least_side: int | None) -> DecodedPhoto:
    """Apply a JPEG's colour profile and orientation to its pixels."""
    notes = {"exif": jpeg.exif, "xmp": jpeg.xmp, "icc_profile": jpeg.profile}
    image.info = {name: note for name, note in notes.items() if note is not None}
    orientation = orientation_of(image)
    return _finished(image, least_side, orientation, orientation)


def _finished(image: Image.Image, least_side: int | None, noted: int, left: int) -> DecodedPhoto:
    """Flatten a picture and turn it.

    Args:
        image: loaded.
        least_side: as :func:`decode_photo` has it.
        noted: orientation by the file.
        left: orientation of the loaded pixels.
    """
    return DecodedPhoto(upright(flatten(image, least_side), left), noted)


def check_size(file_format: str, width: int, height: int, limits: Limits) -> None:
    """Refuse too many or too few pixels.

    Raises:
        PhotoError: 413 ``too_many_pixels``; 422 ``bad_shape``.
    """
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
