"""Photos that carry metadata which must not leave the shop."""

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.support.drawn_photos import encoded, heic, striped

SECRET = b"SECRET-WORDS"


def exif_with_secrets() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = exif[0x010F] = exif[0x013B] = SECRET.decode()  # description, maker, artist
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 7.5), 3: "E", 4: (13.0, 24.0, 1.0), 29: SECRET.decode()})
    exif.get_ifd(0x8769).update({0x927C: b"maker note " + SECRET, 0x9286: b"ASCII\0\0\0" + SECRET})
    return exif


def with_secrets(file_format: str, size: tuple[int, int] = (120, 160)) -> bytes:
    """Return a photo that carries GPS, maker note, XMP and comments as far as its format can."""
    photo, exif, xmp = striped(size), exif_with_secrets(), b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    if file_format == "HEIC":
        return heic(photo, exif=exif.tobytes(), xmp=xmp)
    if file_format == "PNG":
        texts = PngInfo()
        texts.add_text("Comment", SECRET.decode())
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return encoded(photo, "PNG", exif=exif, pnginfo=texts)
    if file_format == "GIF":
        return encoded(photo, "GIF", comment=SECRET)
    if file_format == "TIFF":
        exif[700], exif[305] = xmp, SECRET.decode()
        return encoded(photo, "TIFF", exif=exif.tobytes())
    return encoded(photo, file_format, exif=exif, xmp=xmp, comment=SECRET) + SECRET  # and behind the end
