"""A photo whose last rows are missing is refused in every format that can tell; one that has them all is read."""

import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handler.decoding.decode import decode
from tests.support.decoding import LIMITS, assert_shows_the_picture, refusal
from tests.support.drawn_photos import encoded, mosaic, striped
from tests.support.odd_photos import png_chunk

PICTURE = striped()
LARGE = striped((300, 400))


@pytest.mark.parametrize("share", [0.4, 0.5, 0.8, 0.97])
@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("WEBP", {"quality": 80}),
        ("WEBP", {"quality": 80, "method": 0}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("PNG", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
    ids=str,
)
def test_a_tail_of_zeros_is_no_picture(file_format: str, options: dict[str, Any], share: float) -> None:
    data = encoded(LARGE, file_format, **options)
    kept = int(len(data) * share)
    status, code = refusal(data[:kept] + bytes(len(data) - kept))
    assert status == 400
    assert code in ("truncated_image", "not_an_image")


def test_the_first_frame_of_an_animation_lost_its_tail() -> None:
    data = encoded(LARGE, "WEBP", save_all=True, append_images=[mosaic(LARGE.size, 1)], quality=80)
    frames = [place for place in range(len(data)) if data[place : place + 4] == b"VP8 "]
    assert len(frames) == 2
    (size,) = struct.unpack_from("<I", data, frames[0] + 4)
    middle, end = frames[0] + 8 + size // 2, frames[0] + 8 + size
    assert refusal(data[:middle] + bytes(end - middle) + data[end:]) == (400, "truncated_image")
    (size,) = struct.unpack_from("<I", data, frames[1] + 4)
    middle = frames[1] + 8 + size // 2
    assert decode(data[:middle] + bytes(len(data) - middle), LIMITS).size == LARGE.size  # nobody looks at the second


@pytest.mark.parametrize("options", [{"quality": 1}, {"quality": 100}, {"lossless": True}], ids=str)
@pytest.mark.parametrize("method", [0, 4])
def test_a_white_background_is_coded_as_zeros_by_right(options: dict[str, Any], method: int) -> None:
    white = Image.new("RGB", (480, 480), (255, 255, 255))
    white.paste(mosaic((160, 160), 3), (50, 0))
    noisy = white.copy()
    noisy.paste(Image.effect_noise((480, 160), 80).convert("RGB"), (0, 0))
    for picture in (white, noisy, Image.new("RGB", (480, 480))):
        data = encoded(picture, "WEBP", method=method, **options)
        assert decode(data, LIMITS).size == (480, 480)


def damaged(chunk: bytes) -> bytes:
    return chunk[:-1] + bytes([chunk[-1] ^ 1])


class TestPngChecksums:
    def test_a_note_with_a_wrong_checksum_is_passed_over(self) -> None:
        png = encoded(PICTURE, "PNG")
        notes = [png_chunk(b"tEXt", b"Title\0x"), png_chunk(b"pHYs", bytes(9)), png_chunk(b"tIME", bytes(7))]
        for place in (33, png.index(b"IEND") - 4):
            for note in notes:
                assert_shows_the_picture(decode(png[:place] + damaged(note) + png[place:], LIMITS))

    def test_transparency_with_a_wrong_checksum_is_passed_over(self) -> None:
        png = encoded(PICTURE, "PNG")
        hidden = damaged(png_chunk(b"tRNS", struct.pack(">HHH", 200, 30, 30)))
        assert_shows_the_picture(decode(png[:33] + hidden + png[33:], LIMITS))

    def test_pixels_and_sizes_with_a_wrong_checksum_are_refused(self) -> None:
        png = bytearray(encoded(PICTURE, "PNG"))
        for place in (png.index(b"IHDR") + 18, png.index(b"IDAT") + 200):
            broken = bytearray(png)
            broken[place] ^= 1
            assert refusal(bytes(broken))[0] == 400


def bmp_of_run_lengths(width: int, height: int, bits: int, coded: bytes) -> bytes:
    palette = b"".join(bytes([value, value, value, 0]) for value in range(1 << bits))
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 1 if bits == 8 else 2, len(coded), 0, 0, 0, 0)
    begin = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", begin + len(coded), 0, 0, begin) + header + palette + coded


@pytest.mark.parametrize("bits", [4, 8])
def test_a_bmp_of_run_lengths_is_refused_with_a_reason(bits: int) -> None:
    rows = (b"\x01\x50\0\0") * 16 + b"\0\1"
    assert refusal(bmp_of_run_lengths(6_200, 16, bits, rows)) == (415, "unsupported_format")


def test_a_plain_bmp_is_read() -> None:
    grey = np.asarray(decode(encoded(PICTURE.convert("L"), "BMP"), LIMITS), dtype=int)
    assert np.abs(grey[..., 0] - np.asarray(PICTURE.convert("L"), dtype=int)).max() == 0
