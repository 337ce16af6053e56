"""A JPEG is complete when its last row is there, whatever a decoder says first; and it costs what it shows."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handler.decoding.decode import decode
from handler.decoding.jpeg import read_jpeg
from handler.errors import PhotoError
from tests.support.decoding import LIMITS, SHIPPED, assert_shows_the_picture, refusal
from tests.support.drawn_photos import encoded, striped
from tests.support.odd_jpegs import (
    ODDITIES,
    components_apart,
    lossless,
    progressive,
    scans_behind_a_bare_marker,
)

PICTURE = striped()
BROKEN_OFF = (400, "truncated_image")
TRAILER = b"\0\0\x01\x0aPanorama" + bytes(range(256)) * 20  # as a phone's own notes behind the picture


@pytest.mark.parametrize("marker", [0x01, 0xD3])
def test_scans_hidden_behind_a_marker_without_a_length_are_counted(marker: int) -> None:
    data = scans_behind_a_bare_marker((3000, 3000), 2000, marker)
    began = time.process_time()
    assert refusal(data, SHIPPED) == (413, "too_many_pixels")
    assert time.process_time() - began < 1


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("side", [120, 400])
def test_a_lossless_jpeg_never_reaches_a_decoder(mode: str, side: int) -> None:
    data = lossless(striped((side, side)).convert(mode))
    for least_side in (None, 64, 160):
        with pytest.raises(PhotoError) as caught:
            decode(data, LIMITS, least_side)
        assert (caught.value.status, caught.value.code) == (400, "not_an_image")


@pytest.mark.parametrize("process", [0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF])
def test_only_listed_coding_processes_are_read(process: int) -> None:
    data = encoded(PICTURE)
    assert refusal(data.replace(b"\xff\xc0", bytes([0xFF, process]), 1)) == (400, "not_an_image")


def test_an_extended_sequential_jpeg_is_read() -> None:
    data = encoded(PICTURE, quality=95)
    assert_shows_the_picture(decode(data.replace(b"\xff\xc0", b"\xff\xc1", 1), LIMITS))


@pytest.mark.parametrize("oddity", ODDITIES.values(), ids=ODDITIES)
@pytest.mark.parametrize("least_side", [None, 40])
class TestOddities:
    """What phones write and libjpeg warns of."""

    def test_a_whole_photo_is_read(self, oddity: Callable[[bytes], bytes], least_side: int | None) -> None:
        data = oddity(encoded(PICTURE, quality=95, restart_marker_rows=1))
        image = decode(data, LIMITS, least_side)
        expected = np.asarray(PICTURE.resize(image.size, Image.Resampling.BOX), dtype=int)
        assert np.abs(np.asarray(image, dtype=int) - expected).mean() < 6

    @pytest.mark.parametrize("share", [0.5, 0.9])
    @pytest.mark.parametrize("end", [b"\xff\xd9", b"", b"\0" * 5000], ids=["end", "no end", "zeros"])
    def test_a_part_of_it_is_refused(
        self, oddity: Callable[[bytes], bytes], least_side: int | None, share: float, end: bytes
    ) -> None:
        large = striped((240, 320))
        data = oddity(encoded(large, quality=95, restart_marker_rows=3))
        with pytest.raises(PhotoError) as caught:
            decode(data[: int(len(data) * share)] + end, LIMITS, least_side)
        assert (caught.value.status, caught.value.code) == BROKEN_OFF


@pytest.mark.parametrize("tail", [b"", TRAILER, b"\0" * 4096, b"\xff", TRAILER + encoded(PICTURE)[2:]])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_end_marker_may_be_missing(mode: str, options: dict[str, Any], tail: bytes) -> None:
    whole = encoded(PICTURE.convert(mode), quality=95, **options)
    assert whole.endswith(b"\xff\xd9")
    expected = np.asarray(decode(whole, LIMITS), dtype=int)
    assert np.abs(np.asarray(decode(whole[:-2] + tail, LIMITS), dtype=int) - expected).max() <= 4


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
def test_with_the_end_marker_some_last_data_are_missing(options: dict[str, Any]) -> None:
    whole = encoded(PICTURE, quality=95, **options)
    for missing in (12, 40, 200):
        for end in (b"", b"\0" * 5000, b"\xff\xd9"):
            assert refusal(whole[: -2 - missing] + end) == BROKEN_OFF


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
def test_notes_behind_half_a_photo_do_not_complete_it(options: dict[str, Any]) -> None:
    whole = encoded(striped((240, 320)), quality=95, **options)
    for share in (0.3, 0.5):
        assert refusal(whole[: int(len(whole) * share)] + TRAILER) == BROKEN_OFF


def test_a_progressive_jpeg_that_ends_between_two_scans_is_not_whole() -> None:
    whole = encoded(PICTURE, progressive=True)
    scans = [place for place in range(len(whole)) if whole[place : place + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for place in scans:
        assert refusal(whole[:place] + b"\xff\xd9") == BROKEN_OFF


def test_scans_that_add_nothing_are_not_decoded() -> None:
    data = progressive((120, 160), 3)
    jpeg = read_jpeg(data)
    assert len(jpeg.scans) == len(read_jpeg(progressive((120, 160), 0)).scans)


def test_components_in_scans_of_their_own() -> None:
    """A sequential JPEG need not hold its components in one scan; all of them must be there."""
    bands = PICTURE.split()
    image = decode(components_apart(bands, (0x11, 0x11, 0x11)), LIMITS)
    assert_shows_the_picture(image)
    assert refusal(components_apart(bands, (0x11, 0x11, 0x11), scans=2)) == BROKEN_OFF


def test_unusual_sampling_is_read() -> None:
    """Three rows of the first component for one of the others, which not every decoder takes."""
    red, green, blue = PICTURE.resize((120, 144)).split()
    data = components_apart((red, green.resize((120, 48)), blue.resize((120, 48))), (0x13, 0x11, 0x11))
    image = decode(data, LIMITS)
    assert image.size == (120, 144)
    assert np.abs(np.asarray(image, dtype=int) - np.asarray(PICTURE.resize((120, 144)), dtype=int)).mean() < 12
    assert refusal(data[:-200]) == BROKEN_OFF


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b"\xff\xc0", b"\xff\xbf", 1),  # reserved marker
        lambda data: data.replace(b"\xff\xc0", b"\xff\xd8", 1),  # a start within the picture
        lambda data: data[:2] + b"\xff\xdf\x00\x02" + data[2:],  # hierarchical
        lambda data: data.replace(b"\xff\xdb\x00\x43", b"\xff\xdb\x00\x01", 1),  # a length below its own two bytes
        lambda data: data[: data.index(b"\xff\xc0")] + data[data.index(b"\xff\xda") :],  # no frame
    ],
)
def test_what_the_grammar_does_not_know_is_refused(damage: Callable[[bytes], bytes]) -> None:
    status, code = refusal(damage(encoded(PICTURE)))
    assert status == 400
    assert code in ("not_an_image", "truncated_image")
