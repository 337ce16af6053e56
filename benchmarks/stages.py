"""The duration of each stage of one photo, in this process: ``python -m benchmarks.stages``."""

import io
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, TypeVar

import numpy as np
import simplejpeg
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.photos import DESK, PHONE, write_photos
from benchmarks.served import ServedModel

_PHOTOS = 4
_BATCHES = (1, 8, 16)
_SCALES = (2, 4, 8)
_GRAPHS = ("openvino-int8", "openvino-bf16", "openvino-f32")
T = TypeVar("T")


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with parquet files; default: samples/.")] = None,
    archive: Annotated[Path, typer.Option(help="The model archive.")] = Path("model_store/refund_classifier.mar"),
    graph: Annotated[list[str] | None, typer.Option(help="Runtime graph; may be repeated.")] = None,
    rounds: Annotated[int, typer.Option(min=1)] = 9,
) -> None:
    """Print the median milliseconds of each stage, one photo on one thread, and of the network on all cores."""
    with tempfile.TemporaryDirectory(prefix="stages-") as temporary:
        folder = Path(temporary)
        model = ServedModel(archive, folder / "archive")
        photos = {kind.name: write_photos(folder / kind.name, kind, _PHOTOS, data) for kind in (DESK, PHONE)}
        Console().print(_photo_table(model, photos, rounds))
        models = [ServedModel(archive, folder / name, graph=name) for name in graph or _GRAPHS]
        Console().print(_network_table(models, rounds))


def _photo_table(model: ServedModel, photos: dict[str, list[Path]], rounds: int) -> Table:
    table = Table("one photo, one thread: median (least)", *(f"{name}, ms" for name in photos))
    columns = [_photo_times(model, paths, rounds) for paths in photos.values()]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def _photo_times(model: ServedModel, paths: list[Path], rounds: int) -> dict[str, str]:
    """Return the durations of each stage, in order."""
    encoded = [path.read_bytes() for path in paths]
    times = {"read the file": _shown(milliseconds(Path.read_bytes, paths, rounds))}
    for name, stage in _decoding(model.input_size).items():
        times[name] = _shown(milliseconds(stage, encoded, rounds))
    for scale in (1, *_SCALES):
        images = [_pillow(photo, scale) for photo in encoded]
        for gap in (None, 3.0):
            stage = partial(_resize, side=model.input_size, reducing_gap=gap)
            times[f"resize from 1/{scale}, reducing_gap {gap}"] = _shown(milliseconds(stage, images, rounds))
    times["the handler, bytes to pixels"] = _shown(milliseconds(model.prepare, encoded, rounds))
    return times


def _decoding(side: int) -> dict[str, Callable[[bytes], object]]:
    """Return ways to decode a JPEG, named after the scale of libjpeg (1/8: only the DC terms)."""
    stages: dict[str, Callable[[bytes], object]] = {"header (Pillow)": lambda photo: Image.open(io.BytesIO(photo))}
    for name, decode in (("Pillow", _pillow), ("simplejpeg", _simplejpeg)):
        for scale in (1, *_SCALES):
            stages[f"decode 1/{scale} ({name})"] = partial(decode, scale=scale)
    stages[f"decode, no side below {side} (simplejpeg)"] = lambda photo: simplejpeg.decode_jpeg(
        photo, min_height=side, min_width=side, min_factor=1
    )
    return stages


def _pillow(photo: bytes, scale: int) -> Image.Image:
    image = Image.open(io.BytesIO(photo))
    image.draft("RGB", (image.width // scale, image.height // scale))
    image.load()
    return image


def _simplejpeg(photo: bytes, scale: int) -> object:
    height, width, _, _ = simplejpeg.decode_jpeg_header(photo)
    return simplejpeg.decode_jpeg(photo, min_height=height // scale, min_width=width // scale, min_factor=1)


def _resize(image: Image.Image, side: int, reducing_gap: float | None) -> Image.Image:
    return image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=reducing_gap)


def _network_table(models: list[ServedModel], rounds: int) -> Table:
    table = Table("network, all cores", "input", "batch", "ms a batch: median (least)", "photos/s")
    for model in models:
        side = model.input_size
        for size in _BATCHES:
            batch = np.zeros((size, side, side, 3), dtype=np.uint8)
            times = milliseconds(model.infer, [batch], rounds)
            table.add_row(model.graph, str(side), str(size), _shown(times), f"{size / median(times) * 1e3:.0f}")
    return table


def milliseconds(stage: Callable[[T], object], inputs: Sequence[T], rounds: int) -> list[float]:
    """Return the milliseconds of each call, after a warm-up call."""
    stage(inputs[0])
    times = []
    for _ in range(rounds):
        for value in inputs:
            began = time.perf_counter()
            stage(value)
            times.append((time.perf_counter() - began) * 1e3)
    return times


def _shown(times: list[float]) -> str:
    return f"{median(times):.2f} ({min(times):.2f})"


if __name__ == "__main__":
    typer.run(main)
