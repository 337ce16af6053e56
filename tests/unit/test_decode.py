"""Every photo is decoded right or refused with a reason; none is misread."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handler.decoding.decode import decode
from handler.errors import PhotoError
from tests.support.decoding import LIMITS, assert_shows_the_picture, refusal
from tests.support.drawn_photos import encoded, heic, sixteen_bit, striped, turned_by_exif


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"quality": 95}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_formats(file_format: str, options: dict[str, object]) -> None:
    assert_shows_the_picture(decode(encoded(striped(), file_format, **options), LIMITS))


def test_heic() -> None:
    assert_shows_the_picture(decode(heic(striped()), LIMITS))


def test_gif_shows_its_first_frame() -> None:
    black = Image.new("RGB", (120, 160))
    data = encoded(striped(), "GIF", save_all=True, append_images=[black, black], duration=50)
    assert_shows_the_picture(decode(data, LIMITS), tolerance=30)


def test_exif_orientation_is_obeyed() -> None:
    assert_shows_the_picture(decode(turned_by_exif(striped()), LIMITS))


def test_cmyk() -> None:
    assert_shows_the_picture(decode(encoded(striped().convert("CMYK"), quality=95), LIMITS))


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "YCbCr"])
def test_modes_become_rgb(mode: str) -> None:
    file_format = "JPEG" if mode == "YCbCr" else "PNG"
    image = decode(encoded(striped().convert(mode), file_format), LIMITS)
    assert image.mode == "RGB"
    brightness = np.asarray(image.convert("L"), dtype=float)
    expected = np.asarray(striped().convert("L"), dtype=float)
    assert abs(brightness.mean() - expected.mean()) < 8


def test_sixteen_bit_is_scaled_not_clipped() -> None:
    grey = np.asarray(decode(sixteen_bit(striped()), LIMITS).convert("L"), dtype=float)
    assert np.abs(grey - np.asarray(striped().convert("L"), dtype=float)).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_over_white(mode: str) -> None:
    picture = Image.new("RGBA", (64, 64), (10, 10, 10, 0))
    picture.paste((200, 30, 30, 255), (16, 16, 48, 48))
    pixels = np.asarray(decode(encoded(picture.convert(mode), "PNG"), LIMITS))
    assert (pixels[0, 0] == 255).all()
    assert pixels[32, 32].max() < 255


def test_empty() -> None:
    assert refusal(b"") == (400, "empty_body")


@pytest.mark.parametrize(
    "data",
    [
        b"just text",
        b"%PDF-1.7 ...",
        b"<svg xmlns='...'/>",
        b"\x00" * 64,
        b"PK\x03\x04zip",
        b"BMW, a text",
        b"\x00\x00\x00\x1cftypavif",
    ],
)
def test_no_photo(data: bytes) -> None:
    assert refusal(data) == (415, "unsupported_format")


def test_header_without_a_photo() -> None:
    assert refusal(b"\x89PNG\r\n\x1a\n" + b"garbage" * 10) == (400, "not_an_image")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated(file_format: str, share: float) -> None:
    data = encoded(striped(), file_format)
    status, code = refusal(data[: int(len(data) * share)])
    assert status == 400
    assert code in ("truncated_image", "not_an_image")


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_cut_before_its_end_marker_is_not_filled_with_grey(mode: str, options: dict[str, bool]) -> None:
    data = encoded(striped((300, 400)).convert(mode), "JPEG", **options)
    assert refusal(data[: len(data) // 2] + b"\xff\xd9") == (400, "truncated_image")


def test_what_follows_a_photo_is_no_reason_to_refuse_it() -> None:
    assert_shows_the_picture(decode(encoded(striped(), quality=95) + b"a camera's own notes", LIMITS))


def test_truncated_heic() -> None:
    data = heic(striped())
    status, code = refusal(data[: int(len(data) * 0.7)])
    assert (status, code) in [(400, "truncated_image"), (400, "not_an_image")]


def test_too_many_bytes() -> None:
    assert refusal(encoded(striped()), replace(LIMITS, max_bytes=100)) == (413, "too_many_bytes")


def test_too_many_pixels_is_told_by_the_header() -> None:
    assert refusal(encoded(Image.new("1", (30_000, 30_000)), "PNG")) == (413, "too_many_pixels")


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_32_bits_are_refused(mode: str) -> None:
    assert refusal(encoded(striped().convert("L").convert(mode), "TIFF")) == (415, "unsupported_format")


def test_too_small() -> None:
    assert refusal(encoded(Image.new("RGB", (300, 8)))) == (422, "bad_shape")


@settings(max_examples=300, deadline=None)
@given(
    position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), cut=st.floats(0.3, 1), kind=st.integers(0, 3)
)
def test_damaged_photos_are_decoded_or_refused(position: float, value: int, cut: float, kind: int) -> None:
    data = bytearray(_UNDAMAGED[kind])
    data[int(position * len(data))] = value
    try:
        assert decode(bytes(data[: int(cut * len(data))]), LIMITS).mode == "RGB"
    except PhotoError as error:
        assert 400 <= error.status < 500  # noqa: PT017  (either outcome is right)


_UNDAMAGED = [encoded(striped(), file_format) for file_format in ("JPEG", "PNG", "WEBP")] + [heic(striped())]
