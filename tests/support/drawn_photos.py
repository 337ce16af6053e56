"""Photos for the tests, drawn: no test needs a file that the repository does not carry."""

import io
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

SHA = "ab" * 32  # of no photo
_QUICK = {"PNG": {"compress_level": 1}, "WEBP": {"method": 0}}
SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def striped(size: tuple[int, int] = (120, 160), seed: int = 1) -> Image.Image:
    """Draw an upright picture whose corners differ: red, green, blue and white quarters with some texture."""
    width, height = size
    pixels = np.empty((height, width, 3), dtype=np.int16)
    pixels[: height // 2, : width // 2] = (200, 30, 30)
    pixels[: height // 2, width // 2 :] = (30, 200, 30)
    pixels[height // 2 :, : width // 2] = (30, 30, 200)
    pixels[height // 2 :, width // 2 :] = (240, 240, 240)
    texture = np.random.default_rng(seed).integers(-8, 9, (height, width, 1))
    return Image.fromarray(np.clip(pixels + texture, 0, 255).astype(np.uint8))


def mosaic(size: tuple[int, int], seed: int) -> Image.Image:
    """Draw a picture of soft coloured patches that looks like that of no other seed."""
    patches = np.random.default_rng(seed).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, file_format: str = "JPEG", **options: Any) -> bytes:
    """Return the bytes of an image file, coded as quickly as the format allows."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **{**_QUICK.get(file_format, {}), **options})
    return buffer.getvalue()


def heic(image: Image.Image, **options: Any) -> bytes:
    """Return the bytes of a HEIC file."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90, enc_params={"preset": "ultrafast"}, **options)
    return buffer.getvalue()


def turned_by_exif(image: Image.Image) -> bytes:
    """Return a JPEG stored on its side, with the EXIF mark (orientation 6) that puts it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image.transpose(Image.Transpose.ROTATE_90), exif=exif, quality=95)


def sixteen_bit(image: Image.Image) -> bytes:
    """Return a 16-bit grey PNG of the image's brightness."""
    grey = np.asarray(image.convert("L"), dtype=np.uint16) * 257
    return encoded(Image.fromarray(grey), "PNG")


def pixel(image: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    """Return the channels of one pixel of an image that has several."""
    channels = image.getpixel(place)
    assert isinstance(channels, tuple)
    return channels


def write_awkward_folder(folder: Path) -> dict[str, str | None]:
    """Fill a folder with what a returns desk really finds, and say what each file must come to.

    Returns:
        By file name: the error code, or None for a photo that must be classified.
    """
    photo = striped()
    jpeg = encoded(photo)
    contents: dict[str, tuple[bytes, str | None]] = {
        "notes.jpg": (b"This is a text file that somebody named like a photo.\n", "unsupported_format"),
        "empty.jpg": (b"", "empty_body"),
        "truncated.jpg": (jpeg[: len(jpeg) * 2 // 3], "truncated_image"),
        "cmyk.jpg": (encoded(photo.convert("CMYK")), None),
        "sixteen-bit.png": (sixteen_bit(photo), None),
        "exif-turned.jpg": (turned_by_exif(photo), None),
        "phone.heic": (heic(photo), None),
        "shelf 3/übergröße.webp": (encoded(photo, "WEBP"), None),
    }
    for name, (content, _) in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        an_hour_ago = time.time() - 3600
        os.utime(path, (an_hour_ago, an_hour_ago))  # a younger file that ends early counts as still being written
    return {name: code for name, (_, code) in contents.items()}
