"""Photos to measure with: small pictures, enlarged to the size of camera photos, with sensor noise."""

import io
import os
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
_SMALLEST_PICTURE = 160  # longest side, pixels; smaller thumbnails have too little detail
_DARK = 16.0  # grey levels; the part of the noise that does not depend on light


@dataclass(frozen=True)
class PhotoKind:
    """A kind of photo.

    Attributes:
        name: width x height.
        size: width and height, pixels.
        noise: standard deviation at middle grey, grey levels.
        quality: of the JPEG.
    """

    name: str
    size: tuple[int, int]
    noise: float
    quality: int


# Noise and quality give files of the size of camera photos: about 0.2 MB and 3 MB.
DESK = PhotoKind("1080x1440", (1080, 1440), noise=4.0, quality=85)
PHONE = PhotoKind("4000x3000", (4000, 3000), noise=5.0, quality=90)


def write_photos(folder: Path, kind: PhotoKind, count: int, data: Path | None) -> list[Path]:
    """Write different photos of one kind and return their paths.

    Args:
        folder: it is created.
        kind: of photo.
        count: number of photos.
        data: folder with ``catalog.parquet``, whose photos are enlarged; None: those of ``samples/``.
    """
    folder.mkdir(parents=True)
    paths = [folder / f"{number:04}.jpg" for number in range(1, count + 1)]
    pictures = list(islice(cycle(_pictures(data, count)), count))
    # Spawned, not forked, because the caller has threads.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        list(pool.map(_write, paths, pictures, [kind] * count, range(count), chunksize=4))
    return paths


def enlarged(picture: Image.Image, kind: PhotoKind, seed: int) -> bytes:
    """Enlarge a picture and add shot noise, coarser in colour than in brightness, as after a sensor's colour filter."""
    generator = np.random.default_rng(seed)
    width, height = kind.size
    light = np.asarray(picture.convert("RGB").resize(kind.size, Image.Resampling.BICUBIC), dtype=np.float32)
    brightness = generator.standard_normal((height, width, 1), dtype=np.float32)
    colour = generator.standard_normal((height // 2, width // 2, 3), dtype=np.float32).repeat(2, 0).repeat(2, 1) / 2
    noisy = light + kind.noise * np.sqrt((light + _DARK) / 128) * (brightness + colour)
    buffer = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=kind.quality)
    return buffer.getvalue()


def _pictures(data: Path | None, count: int) -> list[bytes]:
    """Return the encoded pictures to enlarge, at most ``count``."""
    if data is None:
        return [path.read_bytes() for path in sorted(SAMPLES.glob("*.jpg"))]
    if not (pictures := list(islice(_large_enough(data), count))):
        raise SystemExit(f"benchmarks: no photo of {data} has a side of {_SMALLEST_PICTURE} pixels or more")
    return pictures


def _large_enough(data: Path) -> Iterator[bytes]:
    from training.data import samples  # needs pyarrow, which only this needs

    if not (data / samples.CATALOG_NAME).is_file():
        raise SystemExit(
            f"benchmarks: {data} holds no {samples.CATALOG_NAME}; without --data the drawings of samples/ are taken"
        )
    read = samples.read(data)
    random.Random(1).shuffle(read)
    for row in read:
        with Image.open(io.BytesIO(row.photo())) as picture:
            if max(picture.size) >= _SMALLEST_PICTURE:
                yield row.photo()


def _write(path: Path, picture: bytes, kind: PhotoKind, seed: int) -> None:
    with Image.open(io.BytesIO(picture)) as opened:
        path.write_bytes(enlarged(opened, kind, seed))
