"""A CSV that says of each photo what counts as right."""

from pathlib import Path

from training.data import csv_table
from training.data.samples import Row, checked_categories

EVERYTHING = "all"  # the group of what has none


def read(path: Path) -> list[Row]:
    """Read the columns ``file`` (relative to the CSV), ``accepts`` (separated by ``;``) and, where it is, ``group``.

    ``accepts`` names the categories that count as right, ``unknown`` for an item outside the 27, nothing where no
    answer can be judged. Other columns are not looked at.

    Raises:
        ValueError: the CSV or one of its lines cannot be used; the message has the line's number.
    """
    return [_row(fields, path, where) for where, fields in csv_table.lines(path, ("file", "accepts"))]


def _row(fields: dict[str, str], path: Path, where: str) -> Row:
    accepts = checked_categories(fields["accepts"], where)
    group = fields.get("group") or EVERYTHING
    return Row(group, fields["file"], fields["accepts"], accepts, "test", path.parent / fields["file"])
