"""A folder of photos for each class: the folder's name is the label."""

from pathlib import Path

from training.data.categories import checked_category
from training.data.samples import Sample
from training.data.splits import part_of_file


def read(folder: Path) -> list[Sample]:
    """Read a folder whose sub-folders are named after categories (``unknown`` for items outside the 27).

    Photos may lie in folders below these; hidden files are ignored. The hash of a photo's path decides its part.

    Raises:
        ValueError: a folder has another name or holds no photo; the message names it.
    """
    return [sample for labelled in _folders_of(folder) for sample in _samples_of(labelled, folder)]


def _folders_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _samples_of(labelled: Path, folder: Path) -> list[Sample]:
    label = checked_category(labelled.name, f"folder {labelled}")
    files = sorted(path for path in labelled.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise ValueError(f"folder {labelled} holds no photo: put some in, or remove it")
    keys = [file.relative_to(folder).as_posix() for file in files]
    return [
        Sample("studio", key, label, (label,), part_of_file(key), file) for key, file in zip(keys, files, strict=True)
    ]
