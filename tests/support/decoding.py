"""Decoding as the tests ask for it: limits, refusals, and what a decoded picture must show."""

import numpy as np
import pytest
import yaml
from PIL import Image

from handler import settings
from handler.decoding.decode import Limits, decode
from handler.errors import PhotoError
from tests.conftest import ROOT

CONFIG = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text(encoding="utf-8"))
LIMITS = Limits(max_bytes=2_000_000, max_pixels=1_000_000, min_side=16, max_photos=16)
SHIPPED = settings.from_yaml(CONFIG).limits


def assert_shows_the_picture(image: Image.Image, tolerance: int = 12) -> None:
    """The quarters have the colours that striped() drew: upright, nothing inverted, nothing clipped."""
    assert image.mode == "RGB"
    width, height = image.size
    assert (width, height) == (120, 160)
    expected = {(30, 40): (200, 30, 30), (90, 40): (30, 200, 30), (30, 120): (30, 30, 200), (90, 120): (240, 240, 240)}
    for (x, y), colour in expected.items():
        mean = np.asarray(image.crop((x - 8, y - 8, x + 8, y + 8)), dtype=float).mean(axis=(0, 1))
        assert np.abs(mean - colour).max() < tolerance, (x, y, mean, colour)


def refusal(data: bytes, limits: Limits = LIMITS) -> tuple[int, str]:
    with pytest.raises(PhotoError) as caught:
        decode(data, limits)
    assert caught.value.message.isascii()
    return caught.value.status, caught.value.code
