"""What a photo may cost, how large it is wanted, and what comes of it."""

from dataclasses import dataclass

from PIL import Image


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


@dataclass(frozen=True)
class Wanted:
    """How large the caller wants a photo.

    Attributes:
        least_side: a photo may come at a fraction of its size, both sides at least this; None: in full.
        longest_side: the longer side of a photo that comes at a fraction of its size is at least this.
        larger_side: also return the photo with a longer side of at least this many pixels, where the decoder gives the
            whole photo anyway: all formats but JPEG. 0: do not.
    """

    least_side: int | None = None
    longest_side: int = 0
    larger_side: int = 0

    def least_side_of(self, width: int, height: int) -> int | None:
        """Return the least side at which the longer side of a photo is long enough, too."""
        if self.least_side is None:
            return None
        return max(self.least_side, -(-self.longest_side * min(width, height) // max(width, height)))


@dataclass(frozen=True)
class DecodedPhoto:
    """The pixels of a photo.

    Attributes:
        image: mode RGB, upright.
        orientation: 1 to 8, as the file says it; the images are already turned by it.
        larger: the same photo with more pixels, if it was asked for and costs no second decode.
    """

    image: Image.Image
    orientation: int
    larger: Image.Image | None = None
