"""Pictures as other programs pass them on."""

from PIL import Image

from tests.support.drawn_photos import SAMPLES, encoded

PICTURES = sorted(SAMPLES.glob("*.jpg"))


def copies(picture: Image.Image) -> dict[str, bytes]:
    """Return the picture as other programs would pass it on; a changed tone is not promised to be found."""
    half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "jpeg": encoded(picture, quality=50),
        "webp": encoded(picture, "WEBP", quality=60),
        "png": encoded(picture, "PNG"),
        "half": encoded(half, quality=75),
        "turned by EXIF": encoded(picture.transpose(Image.Transpose.ROTATE_90), exif=exif, quality=90),
    }
