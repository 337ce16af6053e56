"""A folder of photos a class: the folder's name is the label."""

from pathlib import Path

from training.data.samples import Row, checked_category, part_of_file


def read(folder: Path) -> list[Row]:
    """Read a folder whose folders are named after categories (``unknown`` for items outside the 27).

    Photos may lie in folders below these; hidden files are left out. Each row's part follows from the hash of its path.

    Raises:
        ValueError: a folder has another name or holds no photo; the message names it.
    """
    return [row for labelled in _folders_of(folder) for row in _rows_of(labelled, folder)]


def _folders_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _rows_of(labelled: Path, folder: Path) -> list[Row]:
    label = checked_category(labelled.name, f"folder {labelled}")
    files = sorted(path for path in labelled.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise ValueError(f"folder {labelled} holds no photo: put some in, or remove it")
    keys = [file.relative_to(folder).as_posix() for file in files]
    return [
        Row("catalog", key, label, (label,), part_of_file(key), file) for key, file in zip(keys, files, strict=True)
    ]
