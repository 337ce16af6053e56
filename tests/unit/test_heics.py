"""A HEIC costs what it decodes, shows all that it stores, and stands the way its boxes or its EXIF say."""

import struct
import time

import numpy as np
import pytest
from PIL import Image

from handler.decoding.decode import decode
from tests.support.decoding import LIMITS, SHIPPED, assert_shows_the_picture, refusal
from tests.support.drawn_photos import heic, striped
from tests.support.odd_heics import Part, box, coded, cropped, full_box, grid, heic_of, noted, overlays, size_property

PICTURE = striped()
FLAT = Image.new("RGB", (1_100, 1_000), (90, 80, 70))
ON_ITS_SIDE = PICTURE.transpose(Image.Transpose.ROTATE_90)
TURN_RIGHT = box(b"irot", b"\x03")  # three times a quarter to the left


def exif(orientation: int) -> bytes:
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def test_a_file_put_together_here_is_read() -> None:
    assert_shows_the_picture(decode(noted(PICTURE, b""), LIMITS), tolerance=20)


def test_a_grid_is_read() -> None:
    image = decode(grid(striped((128, 128)), 2, 3, (256, 384)), LIMITS)
    assert image.size == (256, 384)


def test_what_is_decoded_counts_not_what_is_shown() -> None:
    for data in (cropped(FLAT, 64), grid(FLAT, 1, 1, (64, 64)), grid(Image.new("RGB", (64, 64)), 10, 1, (64, 64))):
        assert refusal(data) == (413, "too_many_pixels")
    assert decode(cropped(FLAT, 64), SHIPPED).size == (64, 64)


DECOY = box(b"free", box(b"iinf", b""))


@pytest.mark.parametrize("before", [b"", DECOY, box(b"free", bytes(1_100_000)), box(b"skip", box(b"meta", b""))])
def test_overlays_are_refused_wherever_their_list_lies(before: bytes) -> None:
    data = overlays(Image.new("RGB", (64, 64)), depth=3, wide=5, before_meta=before)
    began = time.process_time()
    assert refusal(data, SHIPPED) == (415, "unsupported_format")
    assert time.process_time() - began < 1


def test_tiles_that_are_overlays_are_refused() -> None:
    one = coded(Image.new("RGB", (64, 64)))
    tile = Part(b"hvc1", one.data, (one.configuration, size_property(64, 64)))
    overlay = Part(b"iovl", struct.pack(">BB4HIIII", 0, 1, 0, 0, 0, 0, 64, 64, 0, 0), (size_property(64, 64),), (1,))
    whole = Part(b"grid", struct.pack(">BBBBHH", 0, 0, 0, 0, 64, 64), (size_property(64, 64),), (2,))
    assert refusal(heic_of([tile, overlay, whole], primary=3)) == (415, "unsupported_format")


def test_only_one_list_of_items_is_the_files() -> None:
    data = noted(PICTURE, b"")
    meta = data.index(b"meta") - 4
    length = struct.unpack_from(">I", data, meta)[0]
    second = data[: meta + length] + data[meta : meta + length] + data[meta + length :]
    assert refusal(second) == (400, "not_an_image")


@pytest.mark.parametrize("kind", [b"pitm", b"iinf", b"iloc", b"iprp", b"ipco", b"ispe"])
def test_a_box_that_is_missing_or_too_long(kind: bytes) -> None:
    data = noted(PICTURE, b"")
    place = data.index(kind)
    assert refusal(data[:place] + b"free" + data[place + 4 :]) == (400, "not_an_image")
    assert refusal(data[: place - 4] + b"\x7f\xff\xff\xff" + data[place:]) == (400, "not_an_image")


def test_lists_longer_than_any_phone_writes_are_refused_at_once() -> None:
    data = noted(PICTURE, b"")
    meta = data.index(b"meta") - 4
    length = struct.unpack_from(">I", data, meta)[0]
    for kind in (b"iref", b"iloc", b"iinf"):
        more = full_box(kind, b"\0\0\0\1" * 10_000_000)
        larger = struct.pack(">I", length + len(more)) + data[meta + 4 : meta + length] + more
        began = time.process_time()
        assert refusal(data[:meta] + larger + data[meta + length :], SHIPPED) == (400, "not_an_image")
        assert time.process_time() - began < 1


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_tail_of_zeros_is_no_picture(share: float) -> None:
    """Decoders fill what is missing with grey or green and say nothing."""
    noise = Image.effect_noise((256, 256), 90).convert("RGB")
    for data in (heic(striped((300, 400))), grid(noise, 2, 1, (512, 256))):
        kept = int(len(data) * share)
        assert refusal(data[:kept] + bytes(len(data) - kept)) == (400, "truncated_image")


def test_a_hole_of_zeros_in_the_middle_is_no_picture() -> None:
    data = heic(striped((300, 400)))
    middle = len(data) // 2
    assert refusal(data[:middle] + bytes(512) + data[middle + 512 :]) == (400, "truncated_image")


def test_notes_behind_the_last_box_are_passed_over() -> None:
    assert_shows_the_picture(decode(heic(PICTURE) + b"\0\0\0\2SEFT", LIMITS))


class TestOrientation:
    def test_exif_counts_where_no_box_turns_the_picture(self) -> None:
        assert_shows_the_picture(decode(noted(ON_ITS_SIDE, exif(6)), LIMITS), tolerance=20)

    def test_a_box_that_turns_the_picture_counts_alone(self) -> None:
        assert_shows_the_picture(decode(noted(ON_ITS_SIDE, exif(6), TURN_RIGHT), LIMITS), tolerance=20)
        assert_shows_the_picture(decode(noted(PICTURE, exif(6), box(b"irot", b"\0")), LIMITS), tolerance=20)

    def test_a_box_that_mirrors_counts_alone(self) -> None:
        mirrored = PICTURE.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        data = noted(mirrored, exif(6), box(b"imir", b"\x01"))
        upright = np.asarray(decode(data, LIMITS), dtype=int)
        others = [np.asarray(PICTURE, dtype=int), np.asarray(PICTURE.transpose(Image.Transpose.ROTATE_180), dtype=int)]
        assert upright.shape == (160, 120, 3)
        assert min(np.abs(upright - other).mean() for other in others) < 10

    def test_xmp_counts_where_there_is_neither(self) -> None:
        xmp = b"<rdf:Description tiff:Orientation='6'/>"
        assert_shows_the_picture(decode(noted(ON_ITS_SIDE, b"", xmp=xmp), LIMITS), tolerance=20)
