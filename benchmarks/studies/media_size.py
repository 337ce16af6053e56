"""How much disk the desk's pictures take: ``python -m benchmarks.studies.media_size``.

The handler draws the pictures and the batch client keeps them, as a run with KEEP_PICTURES=all does. No service runs.
"""

import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from batch_client.pipeline.pictures import MediaStore
from benchmarks.photos import DESK, PHONE, write_photos
from benchmarks.services import ROOT
from handler import picture, settings
from service_client.responses import Picture

_SECONDS = 60.0  # for one photo


@dataclass(frozen=True)
class Kept:
    """What a thousand photos of one size take.

    Attributes:
        photos_mb: megabytes of the photos.
        pictures_mb: megabytes of their pictures and thumbnails.
        disk_mb: the same in whole blocks of the file system.
    """

    photos_mb: float
    pictures_mb: float
    disk_mb: float


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with parquet files; default: samples/.")] = None,
    photos: Annotated[int, typer.Option(min=1, help="Of each size.")] = 100,
) -> None:
    """Print the disk use of 1,000 photos with pictures."""
    table = Table("photo", "photos: MB", "pictures: MB", "on the disk: MB", title="For 1,000 photos with a picture")
    with tempfile.TemporaryDirectory(prefix="media-size-") as temporary:
        for kind in (DESK, PHONE):
            paths = write_photos(Path(temporary) / kind.name, kind, photos, data)
            kept = keep(paths, Path(temporary) / f"{kind.name}-media")
            table.add_row(kind.name, *(f"{figure:.0f}" for figure in vars(kept).values()))
    Console().print(table)


def keep(paths: list[Path], folder: Path) -> Kept:
    """Keep the pictures of JPEGs.

    Args:
        paths: of the photos.
        folder: for the pictures.
    """
    config = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text(encoding="utf-8"))
    limits, media, size = settings.from_yaml(config).limits, MediaStore(folder), 0
    for path in paths:
        photo = path.read_bytes()
        drawn = picture.picture_of_jpeg(photo, limits, time.monotonic() + _SECONDS)
        sent = Picture(drawn.thumbnail, drawn.jpeg, drawn.orientation)
        assert media.write(hashlib.sha256(photo).hexdigest(), sent, photo)
        size += len(photo)
    files = [path.stat() for path in folder.rglob("*.jpg")]
    blocks = sum(status.st_blocks * 512 for status in files)  # Source: stat(3type), st_blocks
    each = 1000 / len(paths) / 1e6
    return Kept(size * each, sum(status.st_size for status in files) * each, blocks * each)


if __name__ == "__main__":
    typer.run(main)
