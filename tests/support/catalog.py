"""A catalog as the training reads it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.drawn_photos import encoded, striped


def write_catalog(folder: Path, records: Sequence[Mapping[str, object]]) -> None:
    photo = encoded(striped((60, 80)), "WEBP")
    full = [{"article_type": r["category"], "split": "train", "image": photo, **r} for r in records]
    pq.write_table(pa.Table.from_pylist(full), folder / "catalog.parquet")
