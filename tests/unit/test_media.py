"""Copies and thumbnails for the desk: what they show, and what they must not carry."""

import hashlib
import io
import random
import resource
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from batch_client.pipeline.pictures import MediaStore
from tests.support.drawn_photos import SHA, encoded, heic, pixel, sixteen_bit, striped, turned_by_exif
from tests.support.peak_memory import peak_mb

SECRET = b"SECRET-WORDS"
QUARTERS = {"left top": (200, 30, 30), "right top": (30, 200, 30), "left": (30, 30, 200), "right": (240, 240, 240)}


def copy_of(media: MediaStore, photo: bytes) -> Image.Image:
    """Write a photo and return its copy, decoded."""
    assert media.write(SHA, photo)
    with Image.open(media.copy_path(SHA)) as image:
        image.load()
        return image


def quarters(image: Image.Image) -> dict[str, tuple[int, ...]]:
    width, height = image.size
    at = {
        "left top": (width // 4, height // 4),
        "right top": (width * 3 // 4, height // 4),
        "left": (width // 4, height * 3 // 4),
        "right": (width * 3 // 4, height * 3 // 4),
    }
    return {name: pixel(image.convert("RGB"), place) for name, place in at.items()}


def assert_upright(image: Image.Image, tolerance: int = 24) -> None:
    for name, colour in quarters(image).items():
        assert np.abs(np.subtract(colour, QUARTERS[name])).max() <= tolerance, (name, colour)


class TestPicture:
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "HEIC", "MPO"])
    def test_every_format_becomes_an_upright_jpeg(self, media: MediaStore, file_format: str) -> None:
        photo = striped()
        image = copy_of(media, heic(photo) if file_format == "HEIC" else encoded(photo, file_format))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (120, 160))  # never enlarged
        assert_upright(image)

    def test_copy_and_thumbnail_have_their_size_and_place(self, media: MediaStore) -> None:
        copy = copy_of(media, encoded(striped((1500, 2000))))
        assert copy.size == (960, 1280)
        assert_upright(copy)
        with Image.open(media.folder / "ab" / f"{SHA}.thumb.jpg") as thumbnail:
            assert thumbnail.size == (192, 256)
            assert_upright(thumbnail)
        assert media.copy_path(SHA) == media.folder / "ab" / f"{SHA}.jpg"

    @pytest.mark.parametrize("size", [(1281, 1280), (2559, 10), (2600, 1), (1, 5000)])
    def test_odd_sizes_fit(self, media: MediaStore, size: tuple[int, int]) -> None:
        image = copy_of(media, encoded(Image.new("RGB", size)))
        assert max(image.size) == 1280
        assert min(image.size) >= 1

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_exif_turns_the_picture(self, media: MediaStore, file_format: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        lying = striped((1200, 1500)).transpose(Image.Transpose.ROTATE_90)
        image = copy_of(media, encoded(lying, file_format, exif=exif))
        assert image.size == (1024, 1280)
        assert_upright(image)

    @pytest.mark.parametrize("kind", ["rgba", "la", "palette", "colour key"])
    def test_alpha_is_laid_over_white(self, media: MediaStore, kind: str) -> None:
        if kind == "palette":
            image = Image.new("P", (40, 40), 0)
            image.putpalette([0, 0, 0, 255, 0, 0])
            photo = encoded(image, "GIF", transparency=0)
        elif kind == "colour key":
            photo = encoded(Image.new("RGB", (40, 40), (0, 0, 0)), "PNG", transparency=(0, 0, 0))
        else:
            photo = encoded(Image.new(kind.upper(), (40, 40), 0), "PNG")
        assert min(pixel(copy_of(media, photo), (20, 20))) >= 250

    def test_transparent_edges_do_not_bleed(self, media: MediaStore) -> None:
        image = Image.new("RGBA", (2600, 2600), (0, 0, 0, 0))  # black where nothing is to be seen
        image.paste((255, 0, 0, 255), (0, 0, 1301, 2600))
        row = np.asarray(copy_of(media, encoded(image, "PNG")))[600, 700:].astype(int)
        assert row.min() >= 245

    def test_sixteen_bits_are_scaled_not_clipped(self, media: MediaStore) -> None:
        image = copy_of(media, sixteen_bit(striped()))
        expected = quarters(striped().convert("L"))
        for name, colour in quarters(image).items():
            assert abs(colour[0] - expected[name][0]) <= 16, name

    @pytest.mark.parametrize("mode", ["1", "L", "CMYK", "P"])
    def test_other_modes_are_shown(self, media: MediaStore, mode: str) -> None:
        image = copy_of(media, encoded(striped().convert(mode), "TIFF"))
        assert quarters(image)["right"][1] >= 215

    def test_first_frame_of_an_animation(self, media: MediaStore) -> None:
        frames = [Image.new("RGB", (30, 30), colour) for colour in ((255, 0, 0), (0, 0, 255))]
        for file_format in ("GIF", "WEBP", "TIFF"):
            photo = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
            assert media.write(SHA, photo)
            assert pixel(copy_of(media, photo), (15, 15))[0] > 200
            assert media.remove([SHA]) == 2


class TestColours:
    @staticmethod
    def swapped() -> bytes:
        """Return a profile in which the red channel shines green and the green one red."""
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        return profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_profiles_are_applied_and_dropped(self, media: MediaStore, file_format: str) -> None:
        red = encoded(Image.new("RGB", (64, 64), (255, 0, 0)), file_format, icc_profile=self.swapped(), quality=95)
        image = copy_of(media, red)
        assert "icc_profile" not in image.info
        red_part, green_part, _ = pixel(image, (32, 32))
        assert green_part > 245
        assert red_part < 10

    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    @pytest.mark.parametrize("profile", [b"no profile at all", swapped()], ids=["broken", "of RGB"])
    def test_a_wrong_profile_costs_no_picture(self, media: MediaStore, mode: str, profile: bytes) -> None:
        assert media.write(SHA, encoded(striped().convert(mode), icc_profile=profile))


def segments(jpeg: bytes) -> Iterator[int]:
    """Give the markers of a JPEG up to its pixels."""
    position = 2
    while jpeg[position + 1] != 0xDA:
        yield jpeg[position + 1]
        position += 2 + struct.unpack(">H", jpeg[position + 2 : position + 4])[0]


def exif_with_secrets() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = exif[0x010F] = exif[0x013B] = SECRET.decode()  # description, maker, artist
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 7.5), 3: "E", 4: (13.0, 24.0, 1.0), 29: SECRET.decode()})
    exif.get_ifd(0x8769).update({0x927C: b"maker note " + SECRET, 0x9286: b"ASCII\0\0\0" + SECRET})
    return exif


def with_secrets(file_format: str) -> bytes:
    """Return a photo that carries GPS, maker note, XMP and comments as far as its format can."""
    photo, exif, xmp = striped(), exif_with_secrets(), b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    if file_format == "HEIC":
        buffer = io.BytesIO()
        file = pillow_heif.from_pillow(photo)
        file.save(buffer, quality=90, exif=exif.tobytes(), xmp=xmp)
        return buffer.getvalue()
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


class TestPrivacy:
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "HEIC", "TIFF", "GIF"])
    def test_nothing_of_the_originals_metadata_survives(self, media: MediaStore, file_format: str) -> None:
        photo = with_secrets(file_format)
        assert SECRET in photo
        if file_format != "GIF":
            with Image.open(io.BytesIO(photo)) as image:
                assert image.getexif().get_ifd(0x8825)[29] == SECRET.decode()
        assert media.write(SHA, photo)
        for path in (media.copy_path(SHA), media.thumbnail_path(SHA)):
            content = path.read_bytes()
            assert SECRET not in content
            # JFIF, tables and the frame; no APP1 (EXIF, XMP), APP2 (profile), COM or any other.
            assert set(segments(content)) <= {0xE0, 0xDB, 0xC0, 0xC4}
            assert content.endswith(b"\xff\xd9")
            with Image.open(path) as image:
                assert not image.getexif()
                assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}

    def test_the_jfif_thumbnail_is_not_copied(self, media: MediaStore) -> None:
        assert media.write(SHA, turned_by_exif(striped()))
        content = media.copy_path(SHA).read_bytes()
        assert struct.unpack(">H", content[4:6])[0] == 16  # the APP0 segment without a picture in it


def one_bit_png(width: int, height: int) -> bytes:
    """Return a small file of many pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (((width + 7) // 8 + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_the_largest_photos_take_bounded_memory(mode: str, tmp_path: Path) -> None:
    """In a process of its own; converted whole, RGBA took 1.4 GB and 16 bits 1 GB, more than a container gives."""
    photo = encoded(Image.new(mode, (10_000, 10_000)), "PNG", compress_level=1)
    before = (
        f"from batch_client.pipeline.pictures import MediaStore; media = MediaStore(Path({str(tmp_path / 'media')!r}))"
    )
    assert peak_mb(before, f"assert media.write({SHA!r}, photo)", photo, tmp_path) < 480


class TestHostile:
    @pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # as the program itself does
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("exif", [b"garbage", b"II", b"II*\0\xff\xff\xff\xff"])
    def test_broken_exif_costs_no_picture(self, media: MediaStore, file_format: str, exif: bytes) -> None:
        assert_upright(copy_of(media, encoded(striped(), file_format, exif=b"Exif\0\0" + exif)))

    def test_a_pixel_bomb_is_refused_by_its_header(self, media: MediaStore) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert not media.write(SHA, one_bit_png(30_000, 30_000))
        assert not media.write(SHA, one_bit_png(10_001, 10_000))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB
        assert media.write(SHA, one_bit_png(1000, 1000))

    @pytest.mark.parametrize(
        "photo",
        [
            b"",
            b"text",
            encoded(striped())[:900],
            encoded(striped(), "PNG")[:400],
            heic(striped())[:700],
            encoded(Image.new("F", (9, 9)), "TIFF"),
        ],
        ids=["empty", "text", "jpeg", "png", "heic", "floats"],
    )
    def test_what_cannot_be_decoded_leaves_nothing(self, media: MediaStore, photo: bytes) -> None:
        assert not media.write(SHA, photo)
        assert not media.exists(SHA)
        assert not media.folder.exists()

    def test_other_formats_are_not_even_tried(self, media: MediaStore) -> None:
        assert not media.write(SHA, encoded(striped(), "PPM"))

    def test_damaged_photos_never_raise(self, media: MediaStore) -> None:
        draw = random.Random(3)
        photos = [with_secrets(name) for name in ("JPEG", "PNG", "WEBP", "HEIC", "TIFF", "GIF")]
        for photo in [*photos, encoded(striped(), "BMP")]:
            for _ in range(25):
                damaged = bytearray(photo)
                for _ in range(draw.randint(1, 12)):
                    damaged[draw.randrange(min(len(damaged), draw.choice((64, 400, 10**6))))] = draw.randrange(256)
                sha256 = hashlib.sha256(damaged).hexdigest()
                assert media.write(sha256, bytes(damaged)) == media.exists(sha256)

    @pytest.mark.parametrize("name", ["", "../../etc/passwd", "AB" * 32, "ab" * 31, "ab" * 32 + "\n", "*" * 64])
    def test_names_that_are_no_sha256_are_refused(self, media: MediaStore, name: str) -> None:
        calls: list[Callable[[], object]] = [
            lambda: media.write(name, b""),
            lambda: media.remove([name]),
            lambda: media.exists(name),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="sha256"):
                call()
