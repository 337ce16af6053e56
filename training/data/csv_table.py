"""A CSV as people make them: a line of column names, in any order, columns of their own among them."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path


def lines(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the lines that are not empty, each with its place in words and its cells by column, spaces taken off.

    Args:
        path: in UTF-8, with or without a byte order mark.
        columns: that must be there; the first names the photo, and no line may lack it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file or one of its lines cannot be used; the message has the line's number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            read = csv.reader(file)
            header = [name.strip() for name in next(read, [])]
            missing = [name for name in columns if name not in header]
            if missing:
                raise ValueError(f"{path}, line 1: no column {' and no column '.join(missing)}, found {header}")
            for cells in filter(None, read):
                where = f"{path}, line {read.line_num}"
                yield where, _fields(cells, header, columns[0], where)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 ({error}); save it as CSV UTF-8") from error
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV: {error}") from error


def _fields(cells: list[str], header: list[str], photo: str, where: str) -> dict[str, str]:
    if len(cells) != len(header):
        raise ValueError(f"{where}: {len(cells)} cells under {len(header)} columns; a comma in a name needs quotes")
    fields = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    if not fields[photo]:
        raise ValueError(f"{where}: no {photo}")
    return fields
