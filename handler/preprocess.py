"""Turn an upright RGB image into the network's input."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def preprocess(image: Image.Image, input_size: int) -> NDArray[np.uint8]:
    """Resize an image to the network's input.

    The whole picture is squashed to a square, as in training: nothing is cut off and no border is added. The runtime
    graph normalises the pixels, so the input is bytes.

    Args:
        image: mode RGB, any size.
        input_size: side of the square, pixels.

    Returns:
        uint8 [H, W, 3], RGB, H = W = input_size.
    """
    # Pillow's bilinear filter widens with the scale, so the result is antialiased. reducing_gap first shrinks large
    # photos by a whole factor: the result differs by less than a grey level, and it is several times as fast.
    resized = image.resize((input_size, input_size), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(resized, dtype=np.uint8)
