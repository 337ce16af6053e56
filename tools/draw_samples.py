"""Draw the sample pictures of the README and the tests; they are drawings, not photos."""

import argparse
from collections.abc import Callable
from pathlib import Path

from tools.sample_pictures.accessories import draw_backpack, draw_belt, draw_handbag, draw_sunglasses, draw_watch
from tools.sample_pictures.clothes import draw_dress, draw_jeans, draw_shorts, draw_socks, draw_tshirt
from tools.sample_pictures.footwear import draw_casual_shoe, draw_heel
from tools.sample_pictures.primitives import Sheet

JPEG_QUALITY = 85
JPEG_COMMENT = "drawing, not a photo"

PICTURES: dict[str, Callable[[], Sheet]] = {
    "backpack.jpg": draw_backpack,
    "belt.jpg": draw_belt,
    "casual-shoe.jpg": draw_casual_shoe,
    "dress.jpg": draw_dress,
    "handbag.jpg": draw_handbag,
    "heel.jpg": draw_heel,
    "jeans.jpg": draw_jeans,
    "shorts.jpg": draw_shorts,
    "socks.jpg": draw_socks,
    "sunglasses.jpg": draw_sunglasses,
    "tshirt.jpg": draw_tshirt,
    "watch.jpg": draw_watch,
}


def write_pictures(folder: Path) -> None:
    """Draw every picture into the folder, over any earlier one of the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        draw().finished().save(folder / name, quality=JPEG_QUALITY, comment=JPEG_COMMENT)


def main() -> None:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("samples"), help="where to write (samples)")
    write_pictures(parser.parse_args().folder)


if __name__ == "__main__":
    main()
