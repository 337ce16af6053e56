"""Tables as shops write them: CSV from a program or from an office program, in several encodings."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

_SEPARATORS = (",", ";", "\t")  # of English and of most European Excels; of its "Unicode text"


class InvalidHeader(ValueError):
    """The header is not what it must be.

    Attributes:
        line: number of the header's line.
        text: what stands there.
        is_repeated: a column stands there twice.
    """

    def __init__(self, line: int, text: str, is_repeated: bool) -> None:
        super().__init__(f"line {line}")
        self.line = line
        self.text = text.strip()[:200]
        self.is_repeated = is_repeated


@dataclass(frozen=True)
class Table:
    """The cells of a table.

    Attributes:
        header: known column names by position; ``""`` for a column that is not used.
        unused: names of the columns that are not used.
        lines: line number and cells, None if the line is not CSV.
    """

    header: tuple[str, ...]
    unused: tuple[str, ...]
    lines: list[tuple[int, list[str] | None]]


def parse_table(data: bytes, columns: Sequence[str], required: Sequence[str]) -> Table:
    """Read a table in UTF-8 or UTF-16, separated by commas, semicolons or tabs.

    Args:
        data: of the file.
        columns: that are used.
        required: those of them that must be there.

    Raises:
        InvalidHeader: a required column is missing, or a column stands there twice.
    """
    numbered = enumerate(io.StringIO(_decoded(data), newline=""), start=1)
    separators: tuple[str, ...] = _SEPARATORS
    first, line = 1, ""
    for first, line in numbered:  # noqa: B007 - the header's place is used below
        if declared := re.fullmatch(r"sep=(.)\s*", line, re.IGNORECASE):  # Excel's own first line
            separators = (declared[1],)
        elif line.strip(" \t\r\n,;"):
            break
    for separator in separators:
        names = _cells(line, separator) or []
        header = tuple(_column(cell, columns) for cell in names)
        if set(required) <= set(header):
            break
    else:
        raise InvalidHeader(first, line, is_repeated=False)
    known = [column for column in header if column]
    if len(set(known)) != len(known):
        raise InvalidHeader(first, line, is_repeated=True)
    unused = tuple(cell.strip() for cell, column in zip(names, header, strict=True) if not column and cell.strip())
    return Table(header, unused, [(number, _cells(line, separator)) for number, line in numbered])


def _decoded(data: bytes) -> str:
    """Decode UTF-8 or UTF-16; bytes that are not UTF-8 become surrogates, and cost their cells alone."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if data[1:2] == b"\0" and data[:1] != b"\0":
        return data.decode("utf-16-le", "replace")
    if data[:1] == b"\0" and data[1:2] != b"\0":
        return data.decode("utf-16-be", "replace")
    return data.decode("utf-8-sig", "surrogateescape")


def _cells(line: str, separator: str) -> list[str] | None:
    """Return the cells of a line; None if it is not CSV.

    Each line by itself: a quotation mark that is not closed must not swallow the lines behind it.
    """
    try:
        return next(csv.reader([line], strict=True, delimiter=separator), [])
    except csv.Error:
        return None


def _column(cell: str, columns: Sequence[str]) -> str:
    """Return the column that a header cell names, in any case and with ``_``, ``-``, a space or nothing between."""
    words = re.sub(r"[\s_-]", "", cell).casefold()
    return next((column for column in columns if column.replace("_", "") == words), "")
