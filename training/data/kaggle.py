"""The layout of "Fashion Product Images" on Kaggle: ``styles.csv`` beside a folder ``images``."""

import csv
from collections.abc import Iterator
from pathlib import Path

from training.data.samples import CLASSES, UNKNOWN, Row, held_out_kinds, part_of_file

LIST_NAME = "styles.csv"


def read(folder: Path, hold_out: bool = True) -> tuple[list[Row], int]:
    """Read the list and the photos that it names.

    The categories are called there as they are here; every other ``articleType`` is unknown.

    Args:
        folder: that holds them.
        hold_out: let kinds of unknown items that only judge be held out of what trains.

    Returns:
        The rows, and how many lines name a photo that is not there: in the published data set some do.

    Raises:
        ValueError: a line cannot be read; the message has its number. Or no line names a photo that is there.
    """
    listed = list(_articles(folder / LIST_NAME))
    held_out = held_out_kinds({kind for _, kind in listed if kind not in CLASSES}) if hold_out else frozenset()
    rows = [
        _row(folder / "images" / f"{key}.jpg", key, kind, held_out)
        for key, kind in listed
        if (folder / "images" / f"{key}.jpg").is_file()
    ]
    if not rows:
        raise ValueError(f"none of the {len(listed)} photos of {folder / LIST_NAME} is there as images/ID.jpg")
    return rows, len(listed) - len(rows)


def _row(file: Path, key: str, kind: str, held_out: frozenset[str]) -> Row:
    label = kind if kind in CLASSES else UNKNOWN
    return Row("catalog", key, kind, (label,), "test" if kind in held_out else part_of_file(file.name), file)


def _articles(path: Path) -> Iterator[tuple[str, str]]:
    """Yield id and articleType of each line.

    The last column, a product's name, has bare commas and quotation marks in it: nothing is quoted, and what lies
    beyond the columns that are needed is not looked at.
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
