"""A CSV that says of each photo what counts as right."""

import csv
from pathlib import Path

from training.rows import UNKNOWN, Row, checked_category

EVERYTHING = "all"  # the group of what has none
_COLUMNS = ("file", "accepts", "group")


def read(path: Path) -> list[Row]:
    """Read the columns ``file`` (relative to the CSV), ``accepts`` (separated by ``;``) and, where it is, ``group``.

    ``accepts`` names the categories that count as right, ``unknown`` for an item outside the 27, nothing where no
    answer can be judged. Other columns are not looked at.

    Raises:
        ValueError: the CSV or one of its lines cannot be used; the message has the line's number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            header = [name.strip() for name in next(lines, [])]
            missing = [name for name in _COLUMNS[:2] if name not in header]
            if missing:
                raise ValueError(f"{path}, line 1: no column {' and no column '.join(missing)}, found {header}")
            return [_row(cells, header, path, lines.line_num) for cells in lines if cells]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 ({error}); save it as CSV UTF-8") from error
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV: {error}") from error


def _row(cells: list[str], header: list[str], path: Path, line: int) -> Row:
    where = f"{path}, line {line}"
    if len(cells) != len(header):
        raise ValueError(f"{where}: {len(cells)} cells under {len(header)} columns; a comma in a name needs quotes")
    fields = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    if not fields["file"]:
        raise ValueError(f"{where}: no file")
    accepts = tuple(checked_category(name.strip(), where) for name in fields["accepts"].split(";") if name.strip())
    if UNKNOWN in accepts and len(accepts) > 1:
        raise ValueError(f"{where}: an item is unknown or one of the categories, not {' and '.join(accepts)}")
    group = fields.get("group") or EVERYTHING
    return Row(group, fields["file"], fields["accepts"], accepts, "test", path.parent / fields["file"])
