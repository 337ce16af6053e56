"""Pictures for the desk as the service sends them, made by Pillow alone."""

import base64
import io
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from service_client.responses import Picture

_LONGEST_SIDE_OF_A_COPY = 1600  # pixels


def desk_picture(photo: bytes) -> dict[str, Any] | None:
    """Return the field ``picture`` of a prediction; None for bytes that are no photo."""
    try:
        with Image.open(io.BytesIO(photo)) as image:
            orientation = image.getexif().get(0x0112, 1)
            is_copied = image.format == "JPEG" and image.mode in ("L", "RGB")
            is_copied = is_copied and max(image.size) <= _LONGEST_SIDE_OF_A_COPY
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, OSError):
        return None
    picture = {"thumbnail": _jpeg(upright, 256), "orientation": orientation}
    return picture if is_copied else {**picture, "jpeg": _jpeg(upright, 1280)}


def picture_of(photo: bytes) -> Picture:
    """Return the picture of a photo as the client reads it."""
    value = desk_picture(photo)
    assert value is not None
    jpeg = base64.b64decode(value["jpeg"]) if "jpeg" in value else None
    return Picture(base64.b64decode(value["thumbnail"]), jpeg, value["orientation"])


def _jpeg(image: Image.Image, longest_side: int) -> str:
    small = image.copy()
    small.thumbnail((longest_side, longest_side))
    buffer = io.BytesIO()
    Image.frombytes("RGB", small.size, small.tobytes()).save(buffer, "JPEG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
