"""Which photo plays which part: training, tuning, or being judged by."""

import difflib
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

CATALOG_NAME = "catalog.parquet"
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
PARTS: tuple[Part, ...] = ("train", "tune", "test")
_CATALOG_COLUMNS = ("id", "article_type", "category", "split", "image")
_WILD_COLUMNS = ("id", "label", "sender", "accepts", "split", "image")
_HELD_OUT_KINDS = 12 / 59  # of those of our catalog 12
_WILD_FOLDS = 5


@dataclass(frozen=True)
class Row:
    """One labelled photo.

    Attributes:
        domain: ``catalog`` (studio, and whatever a data set does not call otherwise) or ``wild`` (phone); where a model
            is judged, the group that the row is counted in.
        key: the data set's own id, or the path inside it.
        kind: the data set's own label, finer or coarser than ours.
        accepts: categories that count as right; ``("unknown",)`` for an item outside the 27; empty where no answer can
            be judged.
        part: what the row may be used for.
        encoded: the photo's bytes, or the file that holds them.
    """

    domain: str
    key: str
    kind: str
    accepts: tuple[str, ...]
    part: Part
    encoded: bytes | Path

    @property
    def name(self) -> str:
        """Name the photo for a message."""
        return str(self.encoded) if isinstance(self.encoded, Path) else f"photo {self.key} of {self.domain}"

    def photo(self) -> bytes:
        """Return the photo's bytes."""
        return self.encoded.read_bytes() if isinstance(self.encoded, Path) else self.encoded


def checked_category(name: str, where: str) -> str:
    """Return a label as it is, if it is one of the 27 or ``unknown``.

    Args:
        name: the label.
        where: names the place of the label in the message.

    Raises:
        ValueError: it is neither; the message names the place, and the category that was probably meant.
    """
    known = (*CLASSES, UNKNOWN)
    if name in known:
        return name
    folded = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    remedy = f"did you mean {folded[close[0]]!r}?" if close else f"they are: {', '.join(known)}"
    raise ValueError(f"{where}: {name!r} is none of the categories; {remedy}")


def checked_categories(names: str, where: str) -> tuple[str, ...]:
    """Return what counts as right, of names separated by ``;``.

    Args:
        names: as a person writes them; nothing where no answer can be judged.
        where: names their place in the message.

    Raises:
        ValueError: as :func:`checked_category`, or ``unknown`` stands beside a category.
    """
    accepts = tuple(checked_category(name.strip(), where) for name in names.split(";") if name.strip())
    if UNKNOWN in accepts and len(accepts) > 1:
        raise ValueError(f"{where}: an item is unknown or one of the categories, not {' and '.join(accepts)}")
    return accepts


def read(folder: Path, hold_out: bool = True) -> list[Row]:
    """Read ``catalog.parquet`` and, where there is one, ``wild.parquet``.

    Args:
        folder: that holds them.
        hold_out: let kinds of unknown items and senders that only judge be held out of what trains; without it, only
            the test half of the split ``val`` judges.

    Raises:
        ValueError: a file or a label cannot be used; the message names it.
    """
    records = list(_records(folder / CATALOG_NAME, _CATALOG_COLUMNS))
    unknown = {str(record["article_type"]) for record in records if record["category"] == UNKNOWN}
    held_out = held_out_kinds(unknown) if hold_out else frozenset()
    rows = [_catalog_row(record, held_out) for record in records]
    wild = folder / "wild.parquet"
    if wild.is_file():
        rows += [_wild_row(record, hold_out) for record in _records(wild, _WILD_COLUMNS)]
    return rows


def held_out_kinds(kinds: Collection[str]) -> frozenset[str]:
    """Choose the kinds of unknown items that only ever judge: what it takes for unknown it must not have seen."""
    return frozenset(sorted(kinds, key=_digest)[: round(_HELD_OUT_KINDS * len(kinds))])


def part_of_file(path: str) -> Part:
    """Give a file its part by the hash of its path inside the data set: eight tenths train, one tunes, one judges."""
    tenth = int(_digest(path), 16) % 10
    return "tune" if tenth == 0 else "test" if tenth == 1 else "train"


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


def _catalog_row(record: dict[str, Any], held_out: frozenset[str]) -> Row:
    """Give a catalog row its part; kinds of unknown items that are held out whole only ever judge."""
    kind = str(record["article_type"])
    category = checked_category(str(record["category"]), f"photo {record['id']} of catalog")
    part = _part_of_split(str(record["split"]), str(record["id"]))
    if category == UNKNOWN and kind in held_out:
        part = "test"
    return Row("catalog", str(record["id"]), kind, (category,), part, record["image"])


def _wild_row(record: dict[str, Any], hold_out: bool) -> Row:
    """Give a phone photo its part; a fifth of the senders, where it is held out, only ever judges."""
    part = _part_of_split(str(record["split"]), str(record["id"]))
    if hold_out and part == "train" and int(_digest(f"sender {record['sender']}"), 16) % _WILD_FOLDS == 0:
        part = "test"
    accepts = tuple(checked_category(name, f"photo {record['id']} of wild") for name in record["accepts"] or ())
    return Row("wild", str(record["id"]), str(record["label"]), accepts, part, record["image"])


def _part_of_split(split: str, key: str) -> Part:
    """Split ``val`` in halves: an even sha256 of the id tunes, an odd one is read once, at the end."""
    if split != "val":
        return "train"
    return "tune" if int(_digest(key), 16) % 2 == 0 else "test"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
