"""How much memory the largest and the most hostile photos take."""

from pathlib import Path

import pytest
from PIL import Image

from tests.support.drawn_photos import encoded
from tests.support.peak_memory import peak_mb


def test_profiles_of_hostile_photos_are_not_kept(tmp_path: Path) -> None:
    """In a process of its own: one that had other photos before has another peak."""
    before = """
from handler.decoding.in_process import decode_in_process
from handler.decoding.limits import Wanted
from tests.support.decoding import SHIPPED
from tests.support.drawn_photos import encoded, striped
def decode(number):
    photo = encoded(striped(), "TIFF", icc_profile=bytes([number]) * 30_000_000)
    decode_in_process(photo, SHIPPED, Wanted(128))
decode(0)
"""
    assert peak_mb(before, "for number in range(1, 9): decode(number)", b"", tmp_path) < 150  # kept, they take 240 MB


@pytest.mark.parametrize("kind", ["RGBA", "I;16", "WEBP"])
def test_the_largest_photos_take_bounded_memory(kind: str, tmp_path: Path) -> None:
    """In a process of its own, as the worker's; before strips, RGBA took 2.3 GB and 16 bits 1.2 GB."""
    if kind == "WEBP":
        data = encoded(Image.new("RGB", (5_000, 5_000), (1, 2, 3)), "WEBP", method=0, quality=1)
    else:
        data = encoded(Image.new(kind, (10_000, 10_000)), "PNG", compress_level=1)
    before = """
from handler.decoding.in_process import decode_in_process
from handler.decoding.limits import Wanted
from tests.support.decoding import SHIPPED
"""
    assert peak_mb(before, "decode_in_process(photo, SHIPPED, Wanted(160))", data, tmp_path) < 480


@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_large_photos_get_a_picture_in_bounded_memory(mode: str, tmp_path: Path) -> None:
    """In a process of its own; converted as a whole, 100 megapixels of RGBA took 1.4 GB and of 16 bits 1 GB."""
    photo = encoded(Image.new(mode, (7_000, 7_000)), "PNG", compress_level=1)
    before = "from tests.integration.test_picture import answer"
    assert peak_mb(before, "assert 'picture' in answer(photo).prediction", photo, tmp_path) < 500


@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_the_picture_of_the_largest_photos_takes_bounded_memory(mode: str, tmp_path: Path) -> None:
    """Whether 100 megapixels stay within the limit of time depends on the processor; the memory does not."""
    photo = encoded(Image.new(mode, (10_000, 10_000)), "PNG", compress_level=1)
    before = "from tests.integration.test_picture import answer_or_refusal"
    assert peak_mb(before, "assert answer_or_refusal(photo) in (200, 413)", photo, tmp_path) < 700
