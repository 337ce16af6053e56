"""Bit depths, profiles, orientations and codings that few cameras write: decoded right, or refused with a reason."""

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from handler.decoding.decode import decode, decode_photo
from handler.errors import PhotoError
from tests.support.decoding import LIMITS, assert_shows_the_picture, refusal
from tests.support.drawn_photos import encoded, heic, striped
from tests.support.odd_heics import noted
from tests.support.odd_photos import grey_tiff, png, png_chunk, tiff

PICTURE = striped()
RGB = np.asarray(PICTURE)
GREY = np.asarray(PICTURE.convert("L"))


def assert_same(image: Image.Image, expected: np.ndarray, tolerance: int = 1) -> None:
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).astype(int) - expected).max() <= tolerance


def as_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


class TestDepths:
    @pytest.mark.parametrize("alpha", [False, True])
    def test_png_of_16_bits_a_colour(self, alpha: bool) -> None:
        deep = RGB.astype(np.uint16) * 257
        if alpha:
            deep = np.dstack([deep, np.full(GREY.shape, 65_535, np.uint16)])
        assert_same(decode(png(deep, 6 if alpha else 2), LIMITS), RGB)

    @pytest.mark.parametrize("depth", [np.uint8, np.uint16])
    def test_a_transparent_grey_is_white(self, depth: type[np.unsignedinteger]) -> None:
        grey = GREY.astype(depth) * (257 if depth == np.uint16 else 1)
        hidden = int(grey[40, 30])
        expected = np.where(grey == hidden, 255, GREY)
        assert_same(decode(png(grey, 0, png_chunk(b"tRNS", struct.pack(">H", hidden))), LIMITS), as_rgb(expected))

    @pytest.mark.parametrize("photometric", [0, 1])
    @pytest.mark.parametrize("bits", [8, 16])
    def test_grey_tiff_with_white_at_either_end(self, bits: int, photometric: int) -> None:
        stored = GREY if photometric == 1 else 255 - GREY
        pixels = stored if bits == 8 else stored.astype(np.uint16) * 257
        assert_same(decode(grey_tiff(pixels, bits, photometric), LIMITS), as_rgb(GREY))

    def test_grey_tiff_of_12_bits_is_not_dark(self) -> None:
        assert_same(decode(grey_tiff(GREY.astype(np.uint16) * 16, 12), LIMITS), as_rgb(GREY), tolerance=2)

    def test_heic_of_10_bits(self) -> None:
        buffer = io.BytesIO()
        deep = (RGB.astype("<u2") * 257).tobytes()
        pillow_heif.from_bytes(mode="RGB;16", size=PICTURE.size, data=deep).save(buffer, quality=95)
        assert_shows_the_picture(decode(buffer.getvalue(), LIMITS))

    @pytest.mark.parametrize(
        ("offset", "value"),
        [(4, 12), (1, 0xC3), (1, 0xC7), (1, 0xCB)],
        ids=["12 bits", "lossless", "hierarchical", "lossless arithmetic"],
    )
    def test_jpegs_of_rare_processes_are_refused(self, offset: int, value: int) -> None:
        data = bytearray(encoded(PICTURE))
        data[data.find(b"\xff\xc0") + offset] = value
        status, code = refusal(bytes(data))
        assert status == 400
        assert code in ("not_an_image", "truncated_image")


class TestColours:
    def test_adobes_inverted_cmyk(self) -> None:
        data = encoded(PICTURE.convert("CMYK"), quality=95)
        assert b"Adobe" in data
        assert_shows_the_picture(decode(data, LIMITS))

    @pytest.mark.parametrize("compression", [None, "tiff_adobe_deflate"])
    @pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr"])
    def test_tiff(self, mode: str, compression: str | None) -> None:
        if mode == "LAB":
            profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
            stored = ImageCms.profileToProfile(PICTURE, *profiles, outputMode="LAB")
        else:
            stored = PICTURE.convert(mode)
        assert stored is not None
        assert_same(decode(encoded(stored, "TIFF", compression=compression), LIMITS), RGB, tolerance=16)

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_an_embedded_profile_is_applied(self, file_format: str) -> None:
        """The profile says that the channels are stored as blue, red, green; it is obeyed, or the colours are wrong."""
        swapped = Image.merge("RGB", [PICTURE.getchannel(channel) for channel in "BRG"])
        options = {"quality": 100, "subsampling": 0} if file_format == "JPEG" else {}
        options = {"lossless": True} if file_format == "WEBP" else options
        image = decode(encoded(swapped, file_format, icc_profile=channels_moved(), **options), LIMITS)
        assert_shows_the_picture(image, tolerance=16)

    def test_a_damaged_profile_is_passed_over(self) -> None:
        for profile in (b"no profile", channels_moved()[:200]):
            assert_shows_the_picture(decode(encoded(PICTURE, "PNG", icc_profile=profile), LIMITS))

    def test_a_profile_for_other_pixels_is_passed_over(self) -> None:
        data = encoded(PICTURE.convert("L"), "PNG", icc_profile=channels_moved())
        assert_same(decode(data, LIMITS), as_rgb(GREY))

    def test_hdr_is_refused(self) -> None:
        data = bytearray(heic(PICTURE))
        place = data.find(b"nclx")
        assert place > 0
        data[place + 6 : place + 8] = struct.pack(">H", 16)  # transfer characteristics: PQ
        assert refusal(bytes(data)) == (415, "unsupported_format")


def channels_moved() -> bytes:
    """Return sRGB's profile with its three primaries moved round by one."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for place in range(132, 132 + 12 * struct.unpack_from(">I", profile, 128)[0], 12):
        name = bytes(profile[place : place + 4])
        profile[place : place + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(name, name)
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))


INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}


def exif_of(orientation: int, unit: int = 3, order: str = "<") -> bytes:
    """Return EXIF of one tag, whose value has a type of one's own."""
    value = struct.pack(order + INTEGERS[unit].upper(), orientation).ljust(4, b"\0")
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 1)
    return start + struct.pack(order + "HHI", 0x0112, unit, 1) + value + bytes(4)


TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


class TestOrientation:
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("orientation", TURN)
    def test_every_orientation(self, orientation: int, file_format: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = PICTURE.transpose(TURN[orientation])
        assert_shows_the_picture(decode(encoded(stored, file_format, exif=exif), LIMITS), tolerance=20)

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("unit", [1, 3, 4, 6, 8, 9])
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "HEIC"])
    def test_every_type_of_integer(self, file_format: str, unit: int, order: str) -> None:
        """The standard asks for SHORT; some cameras write others."""
        exif = exif_of(6, unit, order)
        stored = PICTURE.transpose(Image.Transpose.ROTATE_90)
        if file_format == "HEIC":
            data = noted(stored, exif)
        else:
            data = encoded(stored, file_format, exif=b"Exif\0\0" + exif, quality=95)
        assert_shows_the_picture(decode(data, LIMITS), tolerance=20)

    @pytest.mark.parametrize("unit", [1, 3, 4, 6, 8, 9])
    def test_every_type_of_integer_in_a_tiff(self, unit: int) -> None:
        stored = PICTURE.transpose(Image.Transpose.ROTATE_90)
        data = encoded(stored, "TIFF", tiffinfo={0x0112: 6})
        note = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
        assert data.count(note) == 1
        value = struct.pack("<" + INTEGERS[unit], 6).ljust(4, b"\0")
        changed = data.replace(note, struct.pack("<HHI", 0x0112, unit, 1) + value)
        assert_shows_the_picture(decode(changed, LIMITS))

    @pytest.mark.parametrize("quote", ["'", '"'])
    def test_xmp_in_a_tiff(self, quote: str) -> None:
        xmp = f"<rdf:Description tiff:Orientation={quote}6{quote}/>".encode()
        data = encoded(PICTURE.transpose(Image.Transpose.ROTATE_90), "TIFF", tiffinfo={700: xmp})
        photo = decode_photo(data, LIMITS)
        assert_shows_the_picture(photo.image)
        assert photo.orientation == 6

    def test_a_number_that_is_no_orientation(self) -> None:
        for value in (0, 9, 200):
            assert_shows_the_picture(decode(encoded(PICTURE, exif=b"Exif\0\0" + exif_of(value), quality=95), LIMITS))

    def test_exif_as_imagemagick_writes_it_into_a_png(self) -> None:
        exif = b"Exif\0\0" + exif_of(6)
        text = f"\nexif\n{len(exif):8}\n" + exif.hex() + "\n"
        note = png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text.encode()))
        data = encoded(PICTURE.transpose(Image.Transpose.ROTATE_90), "PNG")
        assert_shows_the_picture(decode(data[:33] + note + data[33:], LIMITS))

    def test_xmp_counts_where_exif_does_not_say_it(self) -> None:
        stored = PICTURE.transpose(Image.Transpose.ROTATE_90)
        xmp = b"<rdf:Description tiff:Orientation='6'/>"
        silent = exif_of(6).replace(struct.pack("<H", 0x0112), struct.pack("<H", 0x0100))
        data = encoded(stored, "WEBP", xmp=xmp, exif=b"Exif\0\0" + silent, lossless=True)
        assert_shows_the_picture(decode(data, LIMITS))
        data = encoded(PICTURE, "WEBP", xmp=xmp, exif=b"Exif\0\0" + exif_of(1), lossless=True)
        assert_shows_the_picture(decode(data, LIMITS))

    @pytest.mark.parametrize("note", ['tiff:Orientation="6"', "<tiff:Orientation>6</tiff:Orientation>"])
    def test_orientation_in_xmp(self, note: str) -> None:
        data = encoded(PICTURE.transpose(Image.Transpose.ROTATE_90), "WEBP", xmp=note.encode(), lossless=True)
        assert_shows_the_picture(decode(data, LIMITS))

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # pytest takes back the filter that decode sets
    def test_broken_exif_does_not_spoil_a_photo(self) -> None:
        for exif in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"):
            assert_shows_the_picture(decode(encoded(PICTURE, exif=exif, quality=95), LIMITS))

    @pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "MPO"])
    def test_of_several_pictures_the_first_counts(self, file_format: str) -> None:
        black = Image.new("RGB", PICTURE.size)
        data = encoded(PICTURE, file_format, save_all=True, append_images=[black], quality=95)
        assert_shows_the_picture(decode(data, LIMITS))


class TestReduction:
    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK", "I;16"])
    def test_large_pictures_are_averaged(self, mode: str) -> None:
        """Reduced strip by strip is the same as converted whole and then averaged."""
        large = striped((1201, 4003))
        if mode == "I;16":
            stored = Image.fromarray(np.asarray(large.convert("L"), dtype=np.uint16) * 257)
        else:
            stored = large.quantize(64) if mode == "P" else large.convert(mode)
        data = encoded(stored, "TIFF")
        limits = replace(LIMITS, max_bytes=50_000_000, max_pixels=20_000_000)
        whole, reduced = decode(data, limits), decode(data, limits, least_side=40)
        assert whole.size == (1201, 4003)
        assert reduced.size == (172, 572)
        assert_same(reduced, np.asarray(whole.reduce(7)).astype(int))

    def test_colours_that_nobody_sees_do_not_bleed(self) -> None:
        pixels = np.zeros((800, 800, 4), np.uint8)
        pixels[:, ::2] = (200, 30, 30, 255)
        pixels[:, 1::2] = (0, 255, 0, 0)  # green, but transparent
        image = decode(encoded(Image.fromarray(pixels), "PNG"), LIMITS, least_side=40)
        assert image.size == (160, 160)
        assert_same(image, np.broadcast_to((227, 143, 143), (160, 160, 3)), tolerance=30)

    def test_a_strip_a_hundred_times_as_long_as_wide(self) -> None:
        limits = replace(LIMITS, max_pixels=100_000_000)
        image = decode(encoded(Image.new("L", (40_000, 100), 77), "PNG"), limits, least_side=160)
        assert image.size == (10_000, 100)
        assert np.asarray(image).mean() == 77


def test_only_the_listed_formats_are_opened() -> None:
    """JPEG 2000, ICNS, PDF and the like have no way in, not by a TIFF's compression either."""
    sizes = {256: (4, [64]), 257: (4, [64]), 258: (3, [8]), 259: (3, [34_712]), 262: (3, [1]), 277: (3, [1])}
    jpeg2000 = encoded(PICTURE, "JPEG2000")
    with_jpeg2000_inside = tiff(jpeg2000, {**sizes, 273: (4, [8]), 279: (4, [len(jpeg2000)])})
    assert refusal(with_jpeg2000_inside)[0] == 400
    assert refusal(jpeg2000) == (415, "unsupported_format")
    for file_format in ("ICNS", "ICO", "PPM", "TGA", "PDF", "EPS", "AVIF", "SGI", "PCX", "DDS"):
        with pytest.raises(PhotoError) as caught:
            decode(encoded(PICTURE, file_format), LIMITS)
        assert caught.value.code == "unsupported_format", file_format
