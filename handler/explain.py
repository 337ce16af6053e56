"""Where in the photo the network saw the class."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

OVERLAY_SIDE = 640
_OVERLAY_STRENGTH = 0.55


def heatmap_of(activation_map: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale one class activation map to [0, 1]: what speaks against the class is 0.

    Args:
        activation_map: float32 [h, w].

    Returns:
        float32 [h, w]; all 0 where nothing speaks for the class.
    """
    positive: NDArray[np.float32] = np.maximum(activation_map, 0)
    highest = float(positive.max())
    return positive if highest == 0 else (positive / highest).astype(np.float32)


def explanation(answer: dict[str, Any], heatmap: NDArray[np.float32]) -> dict[str, Any]:
    """Add the heat map, rows from the top, to the prediction that it explains."""
    return {**answer, "heatmap": [[round(float(value), 4) for value in row] for row in heatmap]}


def reduced(image: Image.Image) -> Image.Image:
    """Return a copy whose longest side is at most 640 pixels, for the overlay."""
    copy = image.copy()
    copy.thumbnail((OVERLAY_SIDE, OVERLAY_SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return copy


def overlay(picture: Image.Image, heatmap: NDArray[np.float32]) -> bytes:
    """Draw the heat map in red over a photo and return it as PNG.

    Args:
        picture: mode RGB; the heat map is drawn into it.
        heatmap: float32 [h, w] on [0, 1].
    """
    strength = Image.fromarray((heatmap * 255 * _OVERLAY_STRENGTH).astype(np.uint8), mode="L")
    red = Image.new("RGB", picture.size, (230, 30, 30))
    picture.paste(red, mask=strength.resize(picture.size, Image.Resampling.BICUBIC))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
