"""JPEGs whose metadata is left out without decoding them."""

import io
import random
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageCms

from batch_client.pipeline.pictures import without_metadata
from tests.support.drawn_photos import encoded, striped
from tests.support.photo_metadata import SECRET, with_secrets


def segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment before the first scan."""
    position = 2
    while jpeg[position + 1] != 0xDA:
        (length,) = struct.unpack(">H", jpeg[position + 2 : position + 4])
        yield jpeg[position + 1], jpeg[position + 4 : position + 2 + length]
        position += 2 + length


def pixels(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image)


def copy_of(jpeg: bytes, orientation: int = 1) -> bytes:
    copied = without_metadata(jpeg, orientation)
    assert copied is not None
    return copied


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_pixel_stays(mode: str, progressive: bool) -> None:
    photo = encoded(striped((800, 600)).convert(mode), progressive=progressive, quality=80, subsampling=2)
    copied = copy_of(photo)
    assert (pixels(copied) == pixels(photo)).all()
    assert copied[-2:] == b"\xff\xd9"


def test_restart_markers_and_optimised_tables_stay() -> None:
    photo = encoded(striped((640, 480)), optimize=True, restart_marker_rows=1)
    assert photo.count(b"\xff\xd0") > 1
    assert (pixels(copy_of(photo)) == pixels(photo)).all()


def test_a_photo_held_in_a_bytearray_is_read_as_well() -> None:
    photo = encoded(striped())
    assert without_metadata(bytearray(photo), 1) == copy_of(photo)


def test_nothing_of_the_metadata_survives() -> None:
    photo = with_secrets("JPEG")
    assert SECRET in photo
    copied = copy_of(photo, 6)
    assert SECRET not in copied
    assert {marker for marker, _ in segments(copied)} == {0xE0, 0xE1, 0xDB, 0xC0, 0xC4}
    assert (pixels(copied) == pixels(photo)).all()
    with Image.open(io.BytesIO(copied)) as image:
        assert dict(image.getexif()) == {0x0112: 6}
        assert not image.getexif().get_ifd(0x8825)


def test_the_thumbnail_of_a_jfif_header_is_left_out() -> None:
    photo = encoded(striped())
    header = b"JFIF\0\x01\x01\0\0\x01\0\x01\x04\x04" + SECRET[:12] * 4
    with_thumbnail = b"\xff\xd8\xff\xe0" + struct.pack(">H", 2 + len(header)) + header + photo[20:]
    assert SECRET[:12] not in copy_of(with_thumbnail)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_stays(orientation: int) -> None:
    with Image.open(io.BytesIO(copy_of(encoded(striped()), orientation))) as image:
        assert image.getexif().get(0x0112, 1) == orientation


def test_the_colour_profile_stays_also_in_several_segments() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(100_000)
    photo = encoded(striped(), icc_profile=profile)
    with Image.open(io.BytesIO(copy_of(photo))) as image:
        assert image.info["icc_profile"] == profile


def test_other_content_beside_a_profile_is_left_out() -> None:
    """A phone stores a second picture or a depth map in segments of the same kind."""
    photo = encoded(striped())
    content = b"MPF\0" + SECRET
    with_index = photo[:2] + b"\xff\xe2" + struct.pack(">H", 2 + len(content)) + content + photo[2:] + photo + SECRET
    assert copy_of(with_index) == copy_of(photo)


def test_a_photo_without_its_end_marker_gets_one() -> None:
    photo = encoded(striped())
    assert copy_of(photo[:-2]) == copy_of(photo)


@pytest.mark.parametrize(
    "photo",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        b"text",
        encoded(striped(), "PNG"),
        encoded(striped())[:300],
        b"\xff\xd8" + SECRET + encoded(striped())[2:],
        encoded(striped()).replace(b"\xff\xc0", b"\xff\xc9", 1),
    ],
    ids=["empty", "start", "no picture", "text", "png", "cut", "junk", "arithmetic"],
)
def test_what_is_no_such_jpeg_is_refused(photo: bytes) -> None:
    assert without_metadata(photo, 1) is None


def test_damaged_photos_never_raise() -> None:
    draw = random.Random(3)
    photo = with_secrets("JPEG")
    refused = 0
    for _ in range(300):
        damaged = bytearray(photo)
        for _ in range(draw.randint(1, 12)):
            damaged[draw.randrange(min(len(damaged), draw.choice((64, 400, 10**6))))] = draw.randrange(256)
        refused += without_metadata(damaged, 1) is None
    assert 0 < refused < 300
