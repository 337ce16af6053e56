"""Pictures for the review desk: small, upright, and without a word of the original's metadata."""

import contextlib
import io
import os
import secrets
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pillow_heif
from PIL import Image, ImageCms, ImageOps

from results import media_layout

pillow_heif.register_heif_opener(thumbnails=False)
# A damaged tag is the photo's business, not the log's: Pillow warns once a tag.
warnings.filterwarnings("ignore", module=r"PIL\.")
# decode() holds its own limit against the header, before a pixel is read; Pillow's warns at a fixed one.
Image.MAX_IMAGE_PIXELS = None

_FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "BMP", "GIF", "TIFF")
_MOST_PIXELS = 100_000_000  # what the service takes; more was never classified
_LONGEST_SIDE = 1280
_LONGEST_SIDE_OF_THUMBNAIL = 256
_QUALITY = 85
# As sharp as bicubic when a picture gets smaller, at the cost of bilinear; Lanczos takes twice as long.
_FILTER = Image.Resampling.HAMMING
_SRGB = ImageCms.createProfile("sRGB")
_STRIP_PIXELS = 4_000_000
_LARGE = 16_000_000  # pixels
_one_large_photo = threading.Lock()  # one takes up to 450 MB, and there are several threads


class MediaStore:
    """Copies and thumbnails of photos, by sha256; safe to share between threads and processes.

    Args:
        folder: where they lie, as :mod:`results.media_layout` says. Made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def copy_path(self, sha256: str) -> Path:
        """Return where the copy of a photo lies or would lie.

        Raises:
            ValueError: this is no sha256 in lower-case hex.
        """
        return media_layout.copy_path(self.folder, sha256)

    def thumbnail_path(self, sha256: str) -> Path:
        """Return where the thumbnail of a photo lies or would lie.

        Raises:
            ValueError: as above.
        """
        return media_layout.thumbnail_path(self.folder, sha256)

    def exists(self, sha256: str) -> bool:
        """Tell whether copy and thumbnail are both there."""
        return self.copy_path(sha256).is_file() and self.thumbnail_path(sha256).is_file()

    def write(self, sha256: str, photo: bytes) -> bool:
        """Write what is not there yet of a photo's copy and thumbnail.

        Args:
            sha256: of the photo's bytes.
            photo: encoded, in any format that the service takes.

        Returns:
            Whether both are there; False for bytes that cannot be decoded.

        Raises:
            OSError: the disk is full, read-only or the like; a whole file or none is there.
        """
        if self.exists(sha256):
            return True
        copy = decode(photo, _LONGEST_SIDE)
        if copy is None:
            return False
        thumbnail = _within(copy, _LONGEST_SIDE_OF_THUMBNAIL)
        folder = media_layout.folder_of(self.folder, sha256)
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _sync(self.folder)
        for path, image in ((self.copy_path(sha256), copy), (self.thumbnail_path(sha256), thumbnail)):
            if not path.exists():
                _write_whole(path, _encode(image))
        _sync(folder)
        return True

    def remove(self, sha256s: Iterable[str]) -> int:
        """Remove all files of photos, those included that a killed process left half written; return how many.

        Args:
            sha256s: of the photos; many at once, for each folder is read and synced once.

        Raises:
            OSError: a file cannot be removed; others may be gone.
            ValueError: one is no sha256 in lower-case hex; nothing is removed.
        """
        by_folder: dict[Path, set[str]] = defaultdict(set)
        for sha256 in sha256s:
            by_folder[media_layout.folder_of(self.folder, sha256)].add(sha256)
        return sum(_remove_from(folder, names) for folder, names in by_folder.items())

    def __iter__(self) -> Iterator[str]:
        """Give the sha256 of every photo of which any file is there, in order."""
        for start in media_layout.FOLDERS:
            names = {_photo_of(path.name) for path in _files(self.folder / start, start)}
            yield from sorted(name for name in names if media_layout.is_sha256(name))


def _files(folder: Path, start: str) -> Iterator[Path]:
    """Give the files whose names start so, temporary ones (with a dot before) included."""
    if folder.is_dir():
        yield from folder.glob(f"{start}*")
        yield from folder.glob(f".{start}*.tmp")


def _remove_from(folder: Path, sha256s: set[str]) -> int:
    """Remove the photos' files from their folder; return how many."""
    found = [path for path in folder.iterdir() if _photo_of(path.name) in sha256s] if folder.is_dir() else []
    for path in found:
        path.unlink(missing_ok=True)
    if found:
        _sync(folder)
    return len(found)


def _photo_of(name: str) -> str:
    """Return the sha256 of the photo that a file belongs to; temporary ones have a dot before it."""
    return name.lstrip(".")[:64]


def decode(photo: bytes, longest_side: int) -> Image.Image | None:
    """Decode a photo to RGB: upright, first frame, alpha over white, sRGB, no metadata; None if hostile.

    Args:
        photo: encoded, in any format that the service takes.
        longest_side: pixels; a smaller photo stays as it is.
    """
    try:
        with Image.open(io.BytesIO(photo), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > _MOST_PIXELS:
                return None
            scale = min(1.0, longest_side / max(width, height))
            # libjpeg can decode to a half, a quarter or an eighth; never below what is wanted.
            image.draft(None, (max(1, round(width * scale)), max(1, round(height * scale))))
            with _one_large_photo if width * height > _LARGE else contextlib.nullcontext():
                image.load()
                small = _within(image if _is_scalable(image) else _converted(image, longest_side), longest_side)
            return _to_srgb(_upright(small), image.info.get("icc_profile"))
    except Exception:  # hostile bytes make decoders raise nearly anything, MemoryError included
        return None


def _is_scalable(image: Image.Image) -> bool:
    """Tell whether a picture scales without artefacts as it is."""
    return image.mode in ("L", "RGB", "CMYK") and not image.has_transparency_data


def _converted(image: Image.Image, longest_side: int) -> Image.Image:
    """Return a picture in mode L or RGB, averaged down to no less than twice a longest side.

    Strip by strip, for the whole picture converted would take as much memory again, or twice as much.
    """
    width, height = image.size
    factor = max(1, max(width, height) // (2 * longest_side))
    rows = max(1, _STRIP_PIXELS // (width * factor)) * factor
    result: Image.Image | None = None
    for top in range(0, height, rows):
        strip = _to_scalable(image.crop((0, top, width, min(top + rows, height)))).reduce(factor)
        if result is None:
            result = Image.new(strip.mode, (strip.width, -(-height // factor)))
        result.paste(strip, (0, top // factor))
    assert result is not None
    result.info = dict(image.info)  # the mark that says which way up it is
    return result


def _upright(image: Image.Image) -> Image.Image:
    """Turn a picture as its EXIF says; broken EXIF costs the turn, not the picture."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # hostile tags make Pillow raise nearly anything
        return image


def _to_scalable(image: Image.Image) -> Image.Image:
    """Convert to L or RGB of 8 bits, alpha over white.

    Raises:
        ValueError: pixels of 32 bits have no defined brightness; the service refuses them, too.
    """
    if image.mode in ("I", "F"):
        raise ValueError(image.mode)
    if image.mode.startswith("I;16"):
        # Pillow's convert() clips at 255 instead of scaling, which turns a photo white.
        return image.convert("I").point(lambda value: value * (1 / 257) + 0).convert("L")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), rgba).convert("RGB")
    return image.convert("L" if image.mode == "1" else "RGB")


def _within(image: Image.Image, longest_side: int) -> Image.Image:
    """Scale down to a longest side in pixels; a smaller image comes back as it is."""
    scale = longest_side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    # Whole pixels are averaged first where much is to go; that is quick, and twice the size leaves the filter enough.
    return image.resize((width, height), _FILTER, reducing_gap=2.0)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB and return the pixels alone.

    The profile is applied rather than kept: phones write Display P3, which looks dull where it is ignored; and a
    profile is metadata of the original, with a maker, a description, and room for more.
    """
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
            image = converted if converted is not None else image
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile, or one of other channels: colours a little off are better than no picture
    # Pasted into a new image, for Pillow carries comments and more from one image to the next and into the file.
    bare = Image.new("RGB", image.size)
    bare.paste(image.convert("RGB"))
    return bare


def _encode(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that whoever looks, even after a power cut, finds all of it or nothing."""
    # The name is drawn, for two threads may meet the same photo; the mode is the umask's, so that the desk can read.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    """Make new and removed names in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
