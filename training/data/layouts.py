"""Labelled photos in whatever layout they come."""

from dataclasses import dataclass, replace
from pathlib import Path

from training.data import folders, kaggle, label_file, photo_list, samples
from training.data.samples import Row

_LAYOUTS = (
    "a folder with catalog.parquet (and wild.parquet), a folder with styles.csv and images/, or a folder of photos for "
    "each category"
)


@dataclass(frozen=True)
class LabelledPhotos:
    """What was found.

    Attributes:
        rows: the photos that an answer can be judged by.
        notes: sentences on what was left out, and why.
    """

    rows: list[Row]
    notes: list[str]


def to_train(folder: Path, hold_out: bool = True, labels: Path | None = None) -> LabelledPhotos:
    """Read the photos of a folder, each with the part that it plays.

    Args:
        folder: in one of the layouts.
        hold_out: as :func:`training.data.samples.read`; a folder per category holds out nothing but its test part.
        labels: as :mod:`training.data.label_file`, instead of the labels of what does not judge.

    Raises:
        FileNotFoundError, ValueError: it holds no layout that is known, or a fault; the message names it.
    """
    read, notes = _read(folder, hold_out)
    if labels:
        given = label_file.read(labels)
        read = label_file.relabelled(read, given, str(labels))
        notes = [*notes, f"{len(given)} photos are labelled by {labels}, where they do not judge"]
    return _judgeable(read, notes)


def to_judge(path: Path) -> LabelledPhotos:
    """Read the photos to judge a model by: all of a CSV or of a folder per class, else the part that judges.

    ``Row.domain`` is the group of each: of our parquet files the domain, of a CSV its ``group``, else ``all``.

    Raises:
        FileNotFoundError, ValueError: as :func:`to_train`, or there is nothing to judge by.
    """
    notes: list[str] = []
    if path.is_file():
        read = photo_list.read(path)
    else:
        read, notes = _read(path)
        if not (path / samples.CATALOG_NAME).is_file():
            read = [replace(row, domain=photo_list.EVERYTHING) for row in read]
        if _is_split(path):
            judged = [row for row in read if row.part == "test"]
            notes.append(f"of {len(read)} rows the {len(judged)} of the part `test` (`training.data.samples`)")
            read = judged
    found = _judgeable(read, notes)
    if not found.rows:
        raise ValueError(f"{path}: nothing to judge by")
    return found


def _read(folder: Path, hold_out: bool = True) -> tuple[list[Row], list[str]]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist. Name {_LAYOUTS} with --data.")
    if (folder / samples.CATALOG_NAME).is_file():
        return samples.read(folder, hold_out), []
    if (folder / kaggle.LIST_NAME).is_file():
        read, absent = kaggle.read(folder, hold_out)
        return read, [f"{absent} lines of {kaggle.LIST_NAME} name a photo that is not there"] if absent else []
    read = folders.read(folder)
    if not read:
        raise ValueError(f"{folder} holds no labelled photos. Name {_LAYOUTS} with --data.")
    return read, []


def _is_split(folder: Path) -> bool:
    """Tell whether a data set divides itself; a folder per class may just as well be somebody's own test photos."""
    return (folder / samples.CATALOG_NAME).is_file() or (folder / kaggle.LIST_NAME).is_file()


def _judgeable(read: list[Row], notes: list[str]) -> LabelledPhotos:
    kept = [row for row in read if row.accepts]
    if len(kept) < len(read):
        notes = [*notes, f"{len(read) - len(kept)} rows with empty `accepts` skipped: no answer can be judged by them"]
    return LabelledPhotos(kept, notes)
