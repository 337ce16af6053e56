"""An upright RGB image to the network's input."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def preprocess(image: Image.Image, input_size: int) -> NDArray[np.uint8]:
    """Resize an image to the network's input.

    The whole picture is squashed to a square, as the network saw it in training: nothing is cut off, and a
    photo needs no border. Normalisation is part of the runtime graph, so what travels is bytes.

    Args:
        image: mode RGB, any size.
        input_size: side of the square, pixels.

    Returns:
        uint8 [H, W, 3], RGB, H = W = input_size.
    """
    # Pillow's bilinear filter widens with the scale (it is antialiased); reducing_gap first shrinks large
    # photos by whole factors, within a grey level of the direct way and several times as fast.
    resized = image.resize((input_size, input_size), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(resized, dtype=np.uint8)
