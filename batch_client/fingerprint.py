"""What a photo looks like, small enough to compare with a million others."""

from PIL import Image, ImageStat

from batch_client.media import decode
from results.repeats import Fingerprint

_SIDE = 128  # longest, of the picture that is hashed; decoders make it from a large one at little cost
_LEAST_SPREAD = 4.0  # standard deviation of brightness, of 255: below it is noise, in which flat pictures look alike


def fingerprint_of(photo: bytes) -> Fingerprint | None:
    """Return what a photo looks like; None for one that cannot be decoded or shows nothing.

    Args:
        photo: encoded, in any format that the service takes.
    """
    image = decode(photo, _SIDE)
    if image is None:
        return None
    miniature = image.resize((8, 8), Image.Resampling.BOX)
    if ImageStat.Stat(miniature.convert("L")).stddev[0] < _LEAST_SPREAD:
        return None
    return Fingerprint(dhash(image), miniature.tobytes())


def dhash(image: Image.Image) -> int:
    """Return the 64-bit difference hash of an image: is each place brighter than its left neighbour?

    The same as ``training.dataset.dhash``, which this program cannot import.
    Source: Neal Krawetz, "Kind of Like That", hackerfactor.com, 2013.
    """
    grey = image.convert("L").resize((9, 8), Image.Resampling.LANCZOS).tobytes()
    value = 0
    for place in range(72):
        if place % 9:  # the first of a row has no left neighbour
            value = value << 1 | (grey[place] > grey[place - 1])
    return value
