"""How much disk the desk's pictures take: ``python -m benchmarks.studies.media_size``.

The batch client runs over photos of each size, once with KEEP_PICTURES=review and once with all.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.client_memory import client_files
from benchmarks.photos import DESK, PHONE, write_photos
from benchmarks.services import ROOT, RunningService, our_service


@dataclass(frozen=True)
class Kept:
    """What a run left on the disk.

    Attributes:
        photos: classified photos.
        pictures: photos of which the desk has a picture.
        media_mb: megabytes of the pictures and thumbnails, in whole blocks of the file system.
        database_mb: megabytes of the results.
    """

    photos: int
    pictures: int
    media_mb: float
    database_mb: float


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with parquet files; default: samples/.")] = None,
    archive: Annotated[Path, typer.Option(help="The model archive.")] = Path("model_store/refund_classifier.mar"),
    photos: Annotated[int, typer.Option(min=1, help="Of each size.")] = 100,
) -> None:
    """Print the disk use for 1,000 photos."""
    table = Table("photo", "KEEP_PICTURES", "pictures", "media: MB", "database: MB", title="For 1,000 photos")
    with tempfile.TemporaryDirectory(prefix="media-size-") as temporary:
        folder = Path(temporary)
        with our_service(archive, folder / "service") as service:
            for kind in (DESK, PHONE):
                write_photos(folder / kind.name, kind, photos, data)
                for keep in ("review", "all"):
                    kept = run(service, folder / kind.name, folder / f"{kind.name}-{keep}", keep)
                    each = 1000 / kept.photos
                    figures = (kept.pictures, kept.media_mb, kept.database_mb)
                    table.add_row(kind.name, keep, *(f"{each * figure:.1f}" for figure in figures))
    Console().print(table)


def run(service: RunningService, inbox: Path, folder: Path, keep: str) -> Kept:
    """Run the batch client over a folder of photos.

    Args:
        service: that classifies.
        inbox: the photos.
        folder: for all that the client writes.
        keep: value of KEEP_PICTURES.

    Raises:
        subprocess.CalledProcessError: the run failed.
    """
    folder.mkdir()
    environment = {**service.environment, **client_files(folder), "KEEP_PICTURES": keep}
    command = [sys.executable, "-m", "batch_client", "run", str(inbox), "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    classified = json.loads(done.stdout.splitlines()[-1])["classified"]
    media = [path for path in (folder / "media").rglob("*") if path.is_file()]
    pictures = sum(path.name.endswith(".thumb.jpg") for path in media)
    blocks = sum(path.stat().st_blocks * 512 for path in media)  # Source: stat(3type), st_blocks
    return Kept(classified, pictures, blocks / 1e6, (folder / "results.db").stat().st_size / 1e6)


if __name__ == "__main__":
    typer.run(main)
