"""Find the layout of a folder of labelled photos, and read it."""

from dataclasses import dataclass
from pathlib import Path

from training.data import csv_files, folders, kaggle, samples
from training.data.samples import Sample

_LAYOUTS = (
    "a folder with catalog.parquet (and wild.parquet), a folder with styles.csv and images/, or a folder of photos for "
    "each category"
)


@dataclass(frozen=True)
class LabelledPhotos:
    """The photos of a folder.

    Attributes:
        samples: the photos whose predictions can be judged.
        notes: sentences that say what was left out, and why.
    """

    samples: list[Sample]
    notes: list[str]


def to_train(folder: Path, hold_out: bool = True, labels: Path | None = None) -> LabelledPhotos:
    """Read the photos of a folder, each with its part.

    Args:
        folder: in one of the layouts.
        hold_out: see :func:`training.data.samples.read`; a folder per category holds out its test part only.
        labels: CSV (see :func:`training.data.csv_files.read_labels`) that replaces labels outside the test part.

    Raises:
        FileNotFoundError, ValueError: the folder has no known layout, or has a fault; the message names it.
    """
    read, notes = _read(folder, hold_out)
    if labels:
        given = csv_files.read_labels(labels)
        read = csv_files.relabelled(read, given, str(labels))
        notes = [*notes, f"{len(given)} photos have labels from {labels}, except in the test part"]
    return _judgeable(read, notes)


def to_judge(path: Path) -> LabelledPhotos:
    """Read the photos to judge a model by: all photos of a CSV or of a folder per class, else the test part.

    Raises:
        FileNotFoundError, ValueError: as :func:`to_train`, or no photo can be judged.
    """
    notes: list[str] = []
    if path.is_file():
        read = csv_files.read_photos(path)
    else:
        read, notes = _read(path)
        if _is_split(path):
            judged = [sample for sample in read if sample.part == "test"]
            notes.append(f"of {len(read)} rows the {len(judged)} of the part `test` (`training.data.splits`)")
            read = judged
    found = _judgeable(read, notes)
    if not found.samples:
        raise ValueError(f"{path}: nothing to judge by")
    return found


def _read(folder: Path, hold_out: bool = True) -> tuple[list[Sample], list[str]]:
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
    """Return True for a data set with a test part of its own; a folder per class may consist of test photos only."""
    return (folder / samples.CATALOG_NAME).is_file() or (folder / kaggle.LIST_NAME).is_file()


def _judgeable(read: list[Sample], notes: list[str]) -> LabelledPhotos:
    kept = [sample for sample in read if sample.accepts]
    if len(kept) < len(read):
        notes = [*notes, f"{len(read) - len(kept)} rows with empty `accepts` skipped: no answer can be judged by them"]
    return LabelledPhotos(kept, notes)
