"""The layout of "Fashion Product Images" on Kaggle: ``styles.csv`` beside a folder ``images``."""

import csv
from collections.abc import Iterator
from pathlib import Path

from training.data.categories import CLASSES, UNKNOWN
from training.data.samples import Sample
from training.data.splits import held_out_kinds, part_of_file

LIST_NAME = "styles.csv"


def read(folder: Path, hold_out: bool = True) -> tuple[list[Sample], int]:
    """Read the list and the photos that it names.

    The category names are those of the column ``articleType``; every other ``articleType`` is unknown.

    Args:
        folder: that holds list and images.
        hold_out: reserve some kinds of unknown items for the test part.

    Returns:
        The samples, and the number of lines whose photo is missing: the published data set has some.

    Raises:
        ValueError: a line cannot be read (the message has its number), or every photo is missing.
    """
    listed = list(_articles(folder / LIST_NAME))
    held_out = held_out_kinds({kind for _, kind in listed if kind not in CLASSES}) if hold_out else frozenset()
    found = [
        _sample(folder / "images" / f"{key}.jpg", key, kind, held_out)
        for key, kind in listed
        if (folder / "images" / f"{key}.jpg").is_file()
    ]
    if not found:
        raise ValueError(f"none of the {len(listed)} photos of {folder / LIST_NAME} is there as images/ID.jpg")
    return found, len(listed) - len(found)


def _sample(file: Path, key: str, kind: str, held_out: frozenset[str]) -> Sample:
    label = kind if kind in CLASSES else UNKNOWN
    return Sample("studio", key, kind, (label,), "test" if kind in held_out else part_of_file(file.name), file)


def _articles(path: Path) -> Iterator[tuple[str, str]]:
    """Yield id and articleType of each line.

    The last column, the product's name, contains bare commas and quotation marks. So nothing is treated as quoted, and
    cells after the needed columns are ignored.
    """
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        lines = csv.reader(file, quoting=csv.QUOTE_NONE)
        header = next(lines, [])
        if not {"id", "articleType"} <= set(header):
            raise ValueError(f"{path}, line 1: the columns id and articleType are missing")
        id_column, type_column = header.index("id"), header.index("articleType")
        for cells in lines:
            if not cells:
                continue
            if len(cells) <= max(id_column, type_column) or not cells[id_column].strip():
                raise ValueError(f"{path}, line {lines.line_num}: no id or no articleType")
            yield cells[id_column].strip(), cells[type_column].strip()
