"""A decoded picture of any mode to RGB, in bounded memory."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from handler.decoding.profile import is_ordinary
from handler.errors import ErrorCode, PhotoError

_MARGIN = 4  # times the least side are left: the resize that follows then differs by less than a grey level
_MOST_SIDE = 8_192  # pixels left of the longer side of a strip a hundred times as long as wide
_STRIP_PIXELS = 4_000_000
_PLAIN_MODES = ("L", "RGB", "CMYK")
_REMEMBERED_PROFILE_BYTES = 1_000_000  # a printer's may be larger


def flatten(image: Image.Image, least_side: int | None) -> Image.Image:
    """Turn a decoded picture into RGB: alpha over white, 16 bits scaled, its colour profile applied.

    A large picture is averaged down by a whole factor, strip by strip, each strip in full precision and at its own
    size: what is translucent is laid over white before it is averaged, so that colours nobody sees do not bleed, and
    beside the decoder's own memory only a strip and the small result are held.

    Args:
        image: loaded, any mode.
        least_side: the shorter side keeps at least four times as many pixels; None: the picture is not reduced.

    Returns:
        Image of mode RGB.

    Raises:
        PhotoError: 415 ``unsupported_format``: pixels whose brightness is not defined.
    """
    if image.mode in ("I", "F"):
        raise PhotoError(
            ErrorCode.UNSUPPORTED_FORMAT, "Pixels of 32 bits have no defined brightness here. Save with 8 or 16 bits."
        )
    return _to_srgb(_reduced(image, least_side), image.info.get("icc_profile"))


def _reduced(image: Image.Image, least_side: int | None) -> Image.Image:
    """Return the picture in mode L, RGB or CMYK, averaged down."""
    width, height = image.size
    across = down = 1
    if least_side is not None:
        common = max(1, min(width, height) // (_MARGIN * least_side))
        across, down = max(common, width // _MOST_SIDE), max(common, height // _MOST_SIDE)
    if across == down == 1 and width * height <= _STRIP_PIXELS:
        return _plain(image, image)
    rows = max(1, _STRIP_PIXELS // (width * down)) * down
    result: Image.Image | None = None
    for top in range(0, height, rows):
        strip = _plain(image.crop((0, top, width, min(top + rows, height))), image).reduce((across, down))
        if result is None:
            result = Image.new(strip.mode, (strip.width, -(-height // down)))
        result.paste(strip, (0, top // down))
    assert result is not None
    return result


def _plain(strip: Image.Image, whole: Image.Image) -> Image.Image:
    """Return a strip of a picture in mode L, RGB or CMYK."""
    if strip.mode.startswith("I;16"):
        return _from_16_bits(strip, whole)
    if strip.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in strip.info:
        rgba = strip.convert("RGBA")
        white = Image.new("RGB", rgba.size, (255, 255, 255))
        white.paste(rgba.convert("RGB"), mask=rgba.getchannel("A"))
        return white
    if strip.mode in _PLAIN_MODES:
        return strip
    return strip.convert("L" if strip.mode == "1" else "RGB")


def _from_16_bits(strip: Image.Image, whole: Image.Image) -> Image.Image:
    """Scale grey of 16 bits to 8.

    Pillow's own conversion clips at 255 instead, which turns a photo white; it passes over a transparent grey; and of a
    TIFF it passes over white stored as 0 and values of 12 bits in 16. Source: Pillow, TiffImagePlugin, OPEN_INFO.
    """
    tags = getattr(whole, "tag_v2", {})
    bits = int(tags.get(258, (16,))[0])
    values = np.asarray(strip, dtype=np.uint32)
    grey = (values * 255 // ((1 << bits) - 1)).astype(np.uint8)
    if tags.get(262) == 0:
        grey = 255 - grey
    transparent = strip.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to RGB, through the embedded colour profile where there is one that fits the picture."""
    if profile and is_ordinary(profile, image.mode):
        build = _remembered_transform if len(profile) <= _REMEMBERED_PROFILE_BYTES else _transform
        transform = build(bytes(profile), image.mode)
        if transform is not None:
            return ImageCms.applyTransform(image, transform) or image
    return image if image.mode == "RGB" else image.convert("RGB")


def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Build the way from a profile's colours to sRGB; None for sRGB itself and for a profile that cannot be used.

    A damaged profile is passed over, as browsers do.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return ImageCms.buildTransform(source, _SRGB, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


_remembered_transform = lru_cache(maxsize=16)(_transform)
_SRGB = ImageCms.createProfile("sRGB")
