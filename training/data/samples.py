"""One labelled photo, and the reader of our parquet files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from training.data.categories import UNKNOWN, checked_category
from training.data.splits import Part, held_out_kinds, is_held_out_sender, part_of_split

CATALOG_NAME = "catalog.parquet"
WILD_NAME = "wild.parquet"
EVERYTHING = "all"  # the group of photos without one

Domain = Literal["studio", "phone"]
_CATALOG_COLUMNS = ("id", "article_type", "category", "split", "image")
_WILD_COLUMNS = ("id", "label", "sender", "accepts", "split", "image")


@dataclass(frozen=True)
class Sample:
    """One labelled photo.

    Attributes:
        domain: ``phone`` for people's own photos; ``studio`` for product photos and for every other data set.
        key: id in the data set, or path inside it.
        source_label: the data set's own label, which may be finer or coarser than ours.
        accepts: categories that count as right; ``("unknown",)`` for an item outside the 27; empty where no prediction
            can be judged.
        part: what the photo may be used for.
        encoded: bytes of the photo, or the file that holds them.
        group: heading under which an evaluation counts the photo.
    """

    domain: Domain
    key: str
    source_label: str
    accepts: tuple[str, ...]
    part: Part
    encoded: bytes | Path
    group: str = EVERYTHING

    @property
    def name(self) -> str:
        """Return the photo's name for a message."""
        return str(self.encoded) if isinstance(self.encoded, Path) else f"photo {self.key} of {self.group}"

    def photo(self) -> bytes:
        """Return the photo's bytes."""
        return self.encoded.read_bytes() if isinstance(self.encoded, Path) else self.encoded


def read(folder: Path, hold_out: bool = True) -> list[Sample]:
    """Read ``catalog.parquet`` and, if it exists, ``wild.parquet``.

    Args:
        folder: that holds the files.
        hold_out: reserve some kinds of unknown items and some senders for the test part. Without it the test part is
            only the odd half of the split ``val``.

    Raises:
        ValueError: a file or a label cannot be used; the message names it.
    """
    records = list(_records(folder / CATALOG_NAME, _CATALOG_COLUMNS))
    unknown = {str(record["article_type"]) for record in records if record["category"] == UNKNOWN}
    held_out = held_out_kinds(unknown) if hold_out else frozenset()
    found = [_catalog_sample(record, held_out) for record in records]
    wild = folder / WILD_NAME
    if wild.is_file():
        found += [_wild_sample(record, hold_out) for record in _records(wild, _WILD_COLUMNS)]
    return found


def _records(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a parquet file.

    Raises:
        ValueError: it is no parquet file, or lacks a column; the message names both.
    """
    try:
        table = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: {error}") from error
    missing = [name for name in columns if name not in table.schema_arrow.names]
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}; it needs {', '.join(columns)}")
    for batch in table.iter_batches(batch_size=512, columns=list(columns)):
        yield from batch.to_pylist()


def _catalog_sample(record: dict[str, Any], held_out: frozenset[str]) -> Sample:
    """Build a studio sample; kinds of unknown items that are held out have the test part."""
    source_label = str(record["article_type"])
    category = checked_category(str(record["category"]), f"photo {record['id']} of catalog")
    part = part_of_split(str(record["split"]), str(record["id"]))
    if category == UNKNOWN and source_label in held_out:
        part = "test"
    return Sample("studio", str(record["id"]), source_label, (category,), part, record["image"], "catalog")


def _wild_sample(record: dict[str, Any], hold_out: bool) -> Sample:
    """Build a phone sample; with ``hold_out`` a fifth of the training senders has the test part."""
    part = part_of_split(str(record["split"]), str(record["id"]))
    if hold_out and part == "train" and is_held_out_sender(str(record["sender"])):
        part = "test"
    accepts = tuple(checked_category(name, f"photo {record['id']} of wild") for name in record["accepts"] or ())
    return Sample("phone", str(record["id"]), str(record["label"]), accepts, part, record["image"], "wild")
