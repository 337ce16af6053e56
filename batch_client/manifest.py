"""The optional ``manifest.csv`` in a source's root: which return a photo belongs to, and what it should show."""

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TextIO

from batch_client.source import Source, SourceLost

FILE_NAME = "manifest.csv"
_COLUMNS = ("filename", "return_id", "expected_category")


@dataclass(frozen=True)
class Entry:
    """What the manifest says of one photo.

    Attributes:
        return_id: of the return it belongs to; empty where none is given.
        expected_category: what was ordered; None where none is given.
    """

    return_id: str = ""
    expected_category: str | None = None


@dataclass(frozen=True)
class Manifest:
    """The entries by file name, and a sentence with its line number for each line that could not be used."""

    entries: Mapping[str, Entry]
    problems: tuple[str, ...] = ()

    def entry(self, filename: str) -> Entry:
        """Return what is said of a photo; an empty entry where nothing is."""
        return self.entries.get(filename, Entry())


def read_manifest(source: Source, classes: Collection[str]) -> Manifest:
    """Read a source's manifest; a bad line is reported and left out, and never keeps the others from being used.

    Args:
        source: of the photos.
        classes: categories that may be expected.

    Raises:
        SourceLost: the source can no longer be reached.
    """
    try:
        file = source.open_manifest(FILE_NAME)
        if file is None:
            return Manifest({})
        with file:
            return _read(file, classes)
    except UnicodeDecodeError as error:
        return Manifest({}, (f"{FILE_NAME}: byte {error.start} is no UTF-8. Save it as CSV UTF-8.",))
    except SourceLost:
        raise
    except (OSError, csv.Error) as error:
        return Manifest({}, (f"{FILE_NAME} cannot be read: {error}",))


def _read(file: TextIO, classes: Collection[str]) -> Manifest:
    lines = csv.reader(file)
    header = [name.strip() for name in next(lines, [])]
    unknown = [name for name in header if name not in _COLUMNS]
    if "filename" not in header or unknown or len(set(header)) != len(header):
        expected = ",".join(_COLUMNS)
        return Manifest({}, (f"{FILE_NAME} line 1: the header must be {expected}, found {','.join(header)!r}",))
    entries: dict[str, Entry] = {}
    problems: list[str] = []
    begins = lines.line_num + 1
    for cells in lines:
        line, begins = begins, lines.line_num + 1  # a record may go over several lines; it is named by its first
        if not any(cells):
            continue
        try:
            filename, entry = _entry(dict(zip(header, cells, strict=True)), classes)
            if filename in entries:
                raise ValueError(f"{filename!r} stands there twice")
            entries[filename] = entry
        except ValueError as error:
            message = str(error) if len(cells) == len(header) else f"{len(header)} cells expected, {len(cells)} found"
            problems.append(f"{FILE_NAME} line {line}: {message}")
    return Manifest(entries, tuple(problems))


def _entry(cells: dict[str, str], classes: Collection[str]) -> tuple[str, Entry]:
    if any("\n" in cell for cell in cells.values()):
        raise ValueError("a quotation mark is not closed")
    filename = cells["filename"].strip().replace("\\", "/").removeprefix("./")
    if not filename:
        raise ValueError("the file name is empty")
    expected = cells.get("expected_category", "").strip() or None
    if expected is not None and expected not in classes:
        raise ValueError(f"expected_category {expected!r} is none of the categories")
    return filename, Entry(cells.get("return_id", "").strip(), expected)
