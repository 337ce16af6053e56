"""Files made to cost much: refused before a decoder follows them, or decoded at a bounded price."""

import math
import struct
import time
import zlib
from contextlib import nullcontext

import numpy as np
import pytest
import yaml
from PIL import Image

from handler import pipeline
from handler.contract import Contract
from handler.decoding import decode as decode_module
from handler.decoding.decode import decode
from handler.errors import PhotoError
from handler.pipeline import prepare
from handler.request import EncodedPhoto, Request
from tests.conftest import ROOT
from tests.support.decoding import LIMITS, SHIPPED, assert_shows_the_picture, refusal
from tests.support.drawn_photos import encoded, heic, striped
from tests.support.odd_jpegs import progressive
from tests.support.odd_photos import TiffTags, png_chunk, tiff

CONFIG = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text())
PICTURE = striped()
TAGS = {256: (4, [64]), 257: (4, [64]), 258: (3, [8]), 262: (3, [1]), 277: (3, [1])}


def gif_extensions(extension: bytes) -> bytes:
    gif = encoded(PICTURE, "GIF")
    begin = 13 + (3 << (gif[10] & 7) + 1)
    return gif[:begin] + extension + gif[begin:]


@pytest.mark.parametrize(
    "name",
    [
        *("chunks", "tiny pixel chunks", "comments", "exif", "blocks", "extensions"),
        *("tags", "big tags", "far tags", "tiles", "tile", "tile of signed sides", "tile given twice"),
    ],
)
def test_a_structure_no_camera_writes_is_refused_at_once(name: str) -> None:
    png, jpeg = encoded(PICTURE, "PNG"), encoded(PICTURE)
    pixels_at = png.find(b"IDAT") - 4
    huge: TiffTags = {**TAGS, 259: (3, [8]), 322: (4, [30_000]), 323: (4, [30_000])}
    tile = tiff(zlib.compress(bytes(10_000)), huge)
    side = struct.pack("<HHII", 322, 4, 1, 30_000)
    big = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1_000_000) + b"\0" * 20_000_000
    data = {
        "chunks": png[:pixels_at] + png_chunk(b"teSt", b"") * 1_000_000 + png[pixels_at:],
        "tiny pixel chunks": png[:pixels_at] + png_chunk(b"IDAT", b"x") * 1_000_000,
        "comments": jpeg[:2] + b"\xff\xfe\x00\x02" * 1_000_000 + jpeg[2:],
        "exif": jpeg[:2] + (b"\xff\xe1\xff\xffExif\0\0" + b"\0" * 65_527) * 500 + jpeg[2:],
        "blocks": gif_extensions(b"\x21\xfe" + b"\x01a" * 1_000_000 + b"\0"),
        "extensions": gif_extensions(b"\x21\xf0\0" * 1_000_000),
        "tags": tiff(b"\x66" * 4096, {**TAGS, **{1000 + tag: (3, [1]) for tag in range(50_000)}}),
        "big tags": big,
        "far tags": b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**64 - 1) + b"\0" * 64,
        "tiles": tiff(b"\x66" * 256, {**TAGS, 259: (3, [1]), 322: (3, [1]), 323: (3, [1]), 324: (4, [8] * 1_000_000)}),
        "tile": tile,
        "tile of signed sides": tile.replace(side, struct.pack("<HHII", 322, 9, 1, 30_000)),
        "tile given twice": tiff(zlib.compress(bytes(10_000)), {**huge, 324: (4, [64])}).replace(
            struct.pack("<HHII", 324, 4, 1, 64), struct.pack("<HHII", 322, 4, 1, 64)
        ),
    }[name]
    began = time.process_time()
    assert refusal(data, SHIPPED) == (400, "not_an_image")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(("size", "more_scans"), [((2000, 2000), 200), ((8000, 7000), 0)])
def test_a_jpeg_in_too_many_scans_or_too_large_for_several(size: tuple[int, int], more_scans: int) -> None:
    began = time.process_time()
    data = progressive(size, more_scans)
    drawn = time.process_time()
    assert refusal(data, SHIPPED) == (413, "too_many_pixels")
    assert time.process_time() - drawn < max(1, drawn - began)


def test_an_ordinary_progressive_jpeg_is_taken() -> None:
    assert decode(progressive((4000, 3000), 0), SHIPPED, 160).mode == "RGB"


@pytest.mark.parametrize(("file_format", "side"), [("WEBP", 5_100), ("TIFF", 7_200)])
def test_formats_whose_decoders_take_more_memory_have_lower_limits(file_format: str, side: int) -> None:
    options = {"method": 0, "quality": 1} if file_format == "WEBP" else {"compression": "tiff_adobe_deflate"}
    data = encoded(Image.new("L", (side, side), 200), file_format, **options)
    assert refusal(data, SHIPPED) == (413, "too_many_pixels")


def test_bombs_of_text_and_profiles() -> None:
    png = encoded(PICTURE, "PNG")
    pixels_at = png.find(b"IDAT") - 4
    bomb = zlib.compress(bytes(100_000_000), 1)
    texts = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(900_000))) * 60
    assert_shows_the_picture(decode(png[:pixels_at] + texts + png[pixels_at:], LIMITS))
    for kind in (b"zTXt", b"iCCP"):
        assert refusal(png[:pixels_at] + png_chunk(kind, b"k\0\0" + bomb) + png[pixels_at:])[0] == 400


def test_a_directory_that_points_to_itself() -> None:
    content = np.full((64, 64), 102, np.uint8).tobytes()
    data = tiff(content, {**TAGS, 259: (3, [1]), 273: (4, [8]), 279: (4, [4096])})
    looped = data[:-4] + data[4:8]
    assert np.asarray(decode(looped, LIMITS)).mean() == 102


def test_a_gif_of_one_dot_on_a_huge_canvas() -> None:
    dot = encoded(Image.new("P", (16, 16)), "GIF")
    canvas = dot[:6] + struct.pack("<HH", 65_000, 65_000) + dot[10:]
    assert refusal(canvas, SHIPPED) == (413, "too_many_pixels")


def test_an_animation_of_a_thousand_frames_costs_one() -> None:
    frames = [Image.new("RGB", (64, 64), (index % 256, index // 256, 0)) for index in range(1000)]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert np.asarray(decode(data, LIMITS)).max() == 0


def test_heic_that_says_it_is_huge() -> None:
    data = bytearray(heic(PICTURE))
    for place in [i for i in range(len(data)) if data[i : i + 4] == b"ispe"]:
        data[place + 8 : place + 16] = struct.pack(">II", 60_000, 60_000)
    assert refusal(bytes(data), SHIPPED)[0] in (400, 413)


def test_heic_of_layers_is_refused() -> None:
    assert refusal(heic(PICTURE).replace(b"hvc1", b"iovl", 1)) == (415, "unsupported_format")


@pytest.mark.parametrize(
    "data",
    [
        encoded(PICTURE, "PDF"),
        b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\0" * 60 + encoded(PICTURE),
        b"<!--" + encoded(PICTURE) + b"-->",
        b'{"image": "/9j/4AAQ"}',
    ],
)
def test_what_is_no_photo_from_its_first_byte(data: bytes) -> None:
    assert refusal(data) == (415, "unsupported_format")


def test_a_photo_not_reached_in_time_is_told_to_come_again(contract: Contract) -> None:
    """The engine ends a worker that takes longer than its timeout, and with it everybody's requests."""
    assert CONFIG["responseTimeout"] >= 2 * pipeline.DECODE_QUEUE_TIMEOUT_S
    late = encoded(PICTURE), time.monotonic() - 1
    behind_another = encoded(Image.new("L", (5_000, 5_000)), "PNG"), time.monotonic() + 0.2
    with decode_module.decoder_process.one_large_photo(math.inf):
        for photo, deadline in (late, behind_another):
            refused = prepare(EncodedPhoto(None, photo), Request("predict"), contract, SHIPPED, deadline)
            assert isinstance(refused, PhotoError)
            assert (refused.status, refused.code) == (503, "busy")


def test_large_pictures_held_whole_are_decoded_one_after_another() -> None:
    size = (4_100, 4_000)
    for photo, waits in (
        (encoded(Image.new("L", size)), False),
        (encoded(Image.new("L", size), progressive=True), True),
        (encoded(Image.new("L", size), "PNG"), True),
    ):
        with (
            decode_module.decoder_process.one_large_photo(math.inf),
            nullcontext() if not waits else pytest.raises(PhotoError, match="busy"),
        ):
            decode(photo, SHIPPED, 128, deadline=time.monotonic() + 2)
