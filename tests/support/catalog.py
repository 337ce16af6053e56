"""A catalog as the training reads it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.support.drawn_photos import encoded, striped


def write_catalog(folder: Path, records: Sequence[Mapping[str, object]]) -> None:
    photo = encoded(striped((60, 80)), "WEBP")
    full = [{"article_type": r["category"], "split": "train", "image": photo, **r} for r in records]
    pq.write_table(pa.Table.from_pylist(full), folder / "catalog.parquet")


def write_patchworks(folder: Path) -> None:
    """Write a catalog of patchworks, each unlike the others, tinted by category."""
    random = np.random.default_rng(4)
    tints = {"Socks": (255, 60, 60), "Belts": (60, 60, 255), "unknown": (60, 255, 60)}
    records: list[dict[str, object]] = []
    for index in range(60):
        for name, tint in tints.items():
            patches = (random.integers(0, 256, (8, 6, 3)) * np.array(tint) / 255).astype(np.uint8)
            image = Image.fromarray(patches).resize((60, 80), Image.Resampling.NEAREST)
            split = "train" if index < 30 else "val"
            records.append({"id": f"{name}{index}", "category": name, "split": split, "image": encoded(image)})
    write_catalog(folder, records)
