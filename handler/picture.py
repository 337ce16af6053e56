"""The picture of a photo that the review desk shows: small, upright, sRGB, and without the photo's metadata."""

import base64
import io
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from PIL import Image

from handler.decoding.decode import Limits, decode_photo
from handler.decoding.jpeg import Jpeg, read_jpeg

LONGEST_SIDE = 1280
_LONGEST_SIDE_OF_THUMBNAIL = 256
_LONGEST_SIDE_TO_COPY = 1600
_QUALITY = 85
# As sharp as bicubic when a picture gets smaller, at the cost of bilinear. Lanczos takes twice as long.
_FILTER = Image.Resampling.HAMMING
_BASELINE, _PROGRESSIVE = 0xC0, 0xC2
_ADOBE = b"\xff\xee\x00\x0e"
_ADOBE_TRANSFORM = 11  # position in the segment's content


class PictureResult(StrEnum):
    """What came of a picture that a client asked for."""

    MADE = "made"
    FAILED = "failed"


@dataclass(frozen=True)
class Picture:
    """What the desk shows of a photo.

    Attributes:
        thumbnail: JPEG of at most 256 pixels a side.
        jpeg: JPEG of at most 1,280 pixels a side; None where the client copies the coefficients of the photo itself.
        orientation: 1 to 8, as the photo says it. Thumbnail and JPEG are already upright.
    """

    thumbnail: bytes
    jpeg: bytes | None
    orientation: int

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object of the prediction API."""
        pictures = {"thumbnail": self.thumbnail, "jpeg": self.jpeg}
        encoded = {name: base64.b64encode(data).decode("ascii") for name, data in pictures.items() if data is not None}
        return {**encoded, "orientation": self.orientation}


def is_jpeg(photo: bytes | bytearray) -> bool:
    """Return whether a photo is a JPEG: it can be decoded at a fraction of its size, so a second decode is cheap."""
    return photo.startswith(b"\xff\xd8\xff")


def picture_of(image: Image.Image, orientation: int) -> Picture:
    """Draw the picture of a decoded photo.

    Args:
        image: mode RGB, upright. The longer side has at least 1,280 pixels, or all that the photo has.
        orientation: 1 to 8, as the photo says it.
    """
    copy = _within(image, LONGEST_SIDE)
    return Picture(_encode(_within(copy, _LONGEST_SIDE_OF_THUMBNAIL)), _encode(copy), orientation)


def picture_of_jpeg(photo: bytes | bytearray, limits: Limits, deadline: float) -> Picture:
    """Decode a JPEG again, at the scale that the picture needs, and draw the picture.

    Args:
        photo: a JPEG that was decoded before.
        limits: the limits of that decode.
        deadline: until when the photo may wait for its turn to be decoded, monotonic seconds.

    Raises:
        PhotoError: the photo did not get its turn in time.
    """
    if not can_be_copied(photo):
        decoded = decode_photo(photo, limits, 1, deadline, LONGEST_SIDE)
        return picture_of(decoded.image, decoded.orientation)
    decoded = decode_photo(photo, limits, 1, deadline, _LONGEST_SIDE_OF_THUMBNAIL)
    return Picture(_encode(_within(decoded.image, _LONGEST_SIDE_OF_THUMBNAIL)), None, decoded.orientation)


def can_be_copied(photo: bytes | bytearray) -> bool:
    """Return whether every browser shows the coefficients of a JPEG as they are.

    That holds for a baseline or progressive JPEG, 8-bit grey or YCbCr, of at most 1,600 pixels a side. Decoders differ
    in the colours of a file that does not name them; such a file is not copied.

    Raises:
        PhotoError: the photo is not a JPEG that the service decodes.
    """
    jpeg = read_jpeg(photo)
    return (
        jpeg.frame[1] in (_BASELINE, _PROGRESSIVE)
        and max(jpeg.width, jpeg.height) <= _LONGEST_SIDE_TO_COPY
        and (jpeg.mode == "L" or (jpeg.mode == "RGB" and _names_ycbcr(jpeg)))
    )


def _names_ycbcr(jpeg: Jpeg) -> bool:
    """Return whether a JPEG of three components says that they are YCbCr.

    Source: ITU-T T.872, 6.5.3 (the transform in Adobe's segment); T.871, 7 (the identifiers of JFIF).
    """
    adobe = jpeg.colour_marks.partition(_ADOBE)[2]
    if adobe:
        return adobe[_ADOBE_TRANSFORM] == 1
    identifiers = jpeg.frame[10::3]
    return bool(jpeg.colour_marks) or identifiers == b"\1\2\3"


def _within(image: Image.Image, longest_side: int) -> Image.Image:
    """Scale an image down to a longest side in pixels; a smaller image stays as it is."""
    scale = longest_side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    # Averaging whole pixels first is fast, and twice the target size is enough for the filter.
    return image.resize((width, height), _FILTER, reducing_gap=2.0)


def _encode(image: Image.Image) -> bytes:
    # A new image: Pillow carries comments from one image to the next, and into the file.
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
