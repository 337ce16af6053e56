"""Which photo plays which part: training, tuning, or being judged by."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

UNKNOWN = "unknown"
CLASSES = (
    "Sports Shoes",
    "Shorts",
    "Handbags",
    "Watches",
    "Casual Shoes",
    "Tshirts",
    "Wallets",
    "Jeans",
    "Socks",
    "Dresses",
    "Shirts",
    "Heels",
    "Earrings",
    "Formal Shoes",
    "Briefs",
    "Sunglasses",
    "Sarees",
    "Kurtas",
    "Trousers",
    "Flip Flops",
    "Sandals",
    "Tops",
    "Perfume and Body Mist",
    "Backpacks",
    "Belts",
    "Bra",
    "Flats",
)

Part = Literal["train", "tune", "test"]
_HELD_OUT_KINDS_OF_59 = 12
_WILD_FOLDS = 5


@dataclass(frozen=True)
class Row:
    """One labelled photo.

    Attributes:
        domain: ``catalog`` (studio) or ``wild`` (phone).
        key: the data set's own id.
        kind: the data set's own label, finer or coarser than ours.
        accepts: categories that count as right; ``("unknown",)`` for an item outside the 27.
        part: what the row may be used for.
        encoded: the photo's bytes.
    """

    domain: str
    key: str
    kind: str
    accepts: tuple[str, ...]
    part: Part
    encoded: bytes


def read(folder: Path) -> list[Row]:
    """Read ``catalog.parquet`` and, where there is one, ``wild.parquet``.

    Rows that no answer can be judged by (empty ``accepts``) are left out.

    Raises:
        FileNotFoundError: the folder holds no ``catalog.parquet``; the message says what is expected.
    """
    catalog = folder / "catalog.parquet"
    if not catalog.is_file():
        raise FileNotFoundError(
            f"{catalog} does not exist. Name a folder that holds catalog.parquet (and wild.parquet) with --data."
        )
    records = list(_records(catalog))
    kinds = sorted({str(record["article_type"]) for record in records if record["category"] == UNKNOWN})
    held_out = frozenset(sorted(kinds, key=_digest)[:_HELD_OUT_KINDS_OF_59])
    rows = [_catalog_row(record, held_out) for record in records]
    wild = folder / "wild.parquet"
    if wild.is_file():
        rows += [_wild_row(record) for record in _records(wild) if record["accepts"]]
    return rows


def _records(path: Path) -> Iterator[dict[str, Any]]:
    for batch in pq.ParquetFile(path).iter_batches(batch_size=512):
        yield from batch.to_pylist()


def _catalog_row(record: dict[str, Any], held_out: frozenset[str]) -> Row:
    """Give a catalog row its part; kinds of unknown items that are held out whole only ever judge."""
    kind = str(record["article_type"])
    category = str(record["category"])
    part = _part_of_split(str(record["split"]), str(record["id"]))
    if category == UNKNOWN and kind in held_out:
        part = "test"
    return Row("catalog", str(record["id"]), kind, (category,), part, record["image"])


def _wild_row(record: dict[str, Any]) -> Row:
    """Give a phone photo its part; a fifth of the senders only ever judges."""
    part = _part_of_split(str(record["split"]), str(record["id"]))
    if part == "train" and int(_digest(f"sender {record['sender']}"), 16) % _WILD_FOLDS == 0:
        part = "test"
    return Row("wild", str(record["id"]), str(record["label"]), tuple(record["accepts"]), part, record["image"])


def _part_of_split(split: str, key: str) -> Part:
    """Split ``val`` in halves: an even sha256 of the id tunes, an odd one is read once, at the end."""
    if split != "val":
        return "train"
    return "tune" if int(_digest(key), 16) % 2 == 0 else "test"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
