"""A colour profile is applied where it is an ordinary one, and passed over where it is a program."""

import struct
import time

import numpy as np
import pytest
from PIL import ImageCms

from handler.decoding.decode import decode
from handler.decoding.profile import is_ordinary
from tests.support.decoding import LIMITS, assert_shows_the_picture
from tests.support.drawn_photos import encoded, heic, striped
from tests.support.odd_profiles import chained, profile_of, tabled

PICTURE = striped()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIC"])
def test_a_profile_that_is_a_program_is_passed_over(file_format: str) -> None:
    options = {} if file_format == "HEIC" else {"quality": 95}
    if file_format == "HEIC":
        picture = PICTURE.copy()
        picture.info["icc_profile"] = chained(10_000)
        data = heic(picture)
    else:
        data = encoded(PICTURE, file_format, icc_profile=chained(10_000), **options)
    began = time.process_time()
    assert_shows_the_picture(decode(data, LIMITS))
    assert time.process_time() - began < 1


def test_a_program_hidden_behind_another_name_is_seen() -> None:
    program = b"mpet" + bytes(60)
    assert not is_ordinary(profile_of({b"A2B0": program}), "RGB")
    assert not is_ordinary(profile_of({b"rTRC": program}), "RGB")


@pytest.mark.parametrize("space", [b"RGB ", b"CMYK"])
def test_a_table_of_ordinary_size_is_applied(space: bytes) -> None:
    """The table makes everything mid grey: it is obeyed."""
    mode, side = ("CMYK", 9) if space == b"CMYK" else ("RGB", 17)
    grey = struct.pack(">HHH", 0x8000, 0x8080, 0x8080)  # Lab of version 4: L = 50, a = b = 0
    profile = tabled(grey * side ** len(mode), side, space)
    assert is_ordinary(profile, mode)
    image = decode(encoded(PICTURE.convert(mode), "TIFF", icc_profile=profile), LIMITS)
    assert np.abs(np.asarray(image, dtype=int) - 119).mean() < 3


def test_a_table_that_is_shorter_than_it_says_is_passed_over() -> None:
    profile = tabled(bytes(6), 255)
    assert not is_ordinary(profile, "RGB")
    assert_shows_the_picture(decode(encoded(PICTURE, "PNG", icc_profile=profile), LIMITS))


def test_only_profiles_for_the_pixels_are_applied() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert is_ordinary(srgb, "RGB")
    assert not is_ordinary(srgb, "L")
    assert not is_ordinary(srgb, "CMYK")
    assert not is_ordinary(srgb.replace(b"mntr", b"link", 1), "RGB")
    assert not is_ordinary(srgb + bytes(5_000_000), "RGB")
    assert not is_ordinary(b"", "RGB")
