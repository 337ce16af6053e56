"""The picture of a photo that the review desk shows: small, upright, sRGB, and without the photo's metadata."""

import base64
import io
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from PIL import Image

from handler.decoding.decode import DecodedPhoto, Limits, decode_photo
from handler.decoding.structure import jpeg_segments

LONGEST_SIDE = 1280
_LONGEST_SIDE_OF_THUMBNAIL = 256
_LONGEST_SIDE_TO_COPY = 1600
_QUALITY = 85
# As sharp as bicubic when a picture gets smaller, at the cost of bilinear. Lanczos takes twice as long.
_FILTER = Image.Resampling.HAMMING
_BASELINE, _PROGRESSIVE = 0xC0, 0xC2
_START_OF_SCAN = 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


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
    """Return whether a photo can be decoded at a fraction of its size, which makes a second decode cheap."""
    return photo.startswith(b"\xff\xd8\xff")


def picture_of_decoded(decoded: DecodedPhoto) -> Picture:
    """Draw the picture from the decode for the network.

    Args:
        decoded: the longer side has at least 1,280 pixels, or all that the photo has.
    """
    copy = _within(decoded.image, LONGEST_SIDE)
    return Picture(_encode(_within(copy, _LONGEST_SIDE_OF_THUMBNAIL)), _encode(copy), decoded.orientation)


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
        return picture_of_decoded(decode_photo(photo, limits, 1, deadline, LONGEST_SIDE))
    decoded = decode_photo(photo, limits, 1, deadline, _LONGEST_SIDE_OF_THUMBNAIL)
    return Picture(_encode(_within(decoded.image, _LONGEST_SIDE_OF_THUMBNAIL)), None, decoded.orientation)


def can_be_copied(photo: bytes | bytearray) -> bool:
    """Return whether every browser shows the coefficients of a photo as they are.

    That is a baseline or progressive JPEG, 8-bit grey or YCbCr, of at most 1,600 pixels a side. Decoders differ in
    the colours of a file that names none; such a file is not copied.

    Source: ITU-T T.81, B.2.2 (frame header); T.872, 6.5 (the colour transform in Adobe's segment).
    """
    frame: tuple[int, ...] = ()
    names_ycbcr = False
    try:
        for marker, position in jpeg_segments(bytes(photo)):
            content = position + 2
            if marker == 0xE0 and photo[content : content + 5] == b"JFIF\0":
                names_ycbcr = True
            elif marker == 0xEE and photo[content : content + 5] == b"Adobe":
                if photo[content + 11] != 1:
                    return _is_small_and_plain(frame) and frame[-1] == 1
                names_ycbcr = True
            elif marker in _FRAMES:
                frame = (marker, *struct.unpack_from(">BHHB", photo, content))
                names_ycbcr = names_ycbcr or photo[content + 6 : content + 15 : 3] == b"\1\2\3"
            elif marker == _START_OF_SCAN:
                break
    except (struct.error, IndexError):
        return False
    return _is_small_and_plain(frame) and (frame[-1] == 1 or names_ycbcr)


def _is_small_and_plain(frame: tuple[int, ...]) -> bool:
    """Check marker, precision, height, width and number of components of a frame."""
    if len(frame) != 5:
        return False
    marker, precision, height, width, components = frame
    return (
        marker in (_BASELINE, _PROGRESSIVE)
        and precision == 8
        and min(height, width) >= 1
        and max(height, width) <= _LONGEST_SIDE_TO_COPY
        and components in (1, 3)
    )


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
