"""The optional ``manifest.csv`` in a source's root: which return a photo belongs to, and what it should show."""

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

from batch_client.sources.source import Source, SourceLost

FILE_NAME = "manifest.csv"
_COLUMNS = ("filename", "return_id", "expected_category")
_LONGEST_RETURN_ID = 200  # characters; an index of PostgreSQL takes some 2,700 bytes a row
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")  # what PostgreSQL refuses, and bytes that are no UTF-8


class ManifestUnusable(RuntimeError):
    """Nothing can be read from the manifest; the message says why and what to do."""


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

    Where the file is there and no line of it can be used, its photos must wait: without their return they would be
    other records, and stand there twice once it is mended.

    Args:
        source: of the photos.
        classes: categories that may be expected.

    Raises:
        SourceLost: the source can no longer be reached.
        ManifestUnusable: there is a manifest, and it cannot be read or has another header.
    """
    try:
        file = source.open_manifest(FILE_NAME)
        if file is None:
            return Manifest({})
        # A line with bytes that are no UTF-8 is refused by itself; they come as surrogates.
        with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            return _read(text, classes)
    except SourceLost:
        raise
    except OSError as error:
        raise ManifestUnusable(f"{FILE_NAME} cannot be read: {error.strerror or error}. Mend or remove it.") from error


def _read(file: TextIO, classes: Collection[str]) -> Manifest:
    lines = _lines(file)
    header = [name.strip() for name in next(lines, None) or []]
    unknown = [name for name in header if name not in _COLUMNS]
    if "filename" not in header or unknown or len(set(header)) != len(header):
        raise ManifestUnusable(
            f"{FILE_NAME} line 1: the header must be {','.join(_COLUMNS)}, found {','.join(header)!a}. "
            "Save it as CSV UTF-8, or remove it."
        )
    entries: dict[str, Entry] = {}
    problems: list[str] = []
    for line, cells in enumerate(lines, start=2):
        if cells is not None and not any(cells):
            continue
        try:
            filename, entry = _entry(cells, header, classes)
            if filename in entries:
                raise ValueError(f"{filename!r} stands there twice")
            entries[filename] = entry
        except ValueError as error:
            problems.append(f"{FILE_NAME} line {line}: {error}")
    return Manifest(entries, tuple(problems))


def _lines(file: TextIO) -> Iterator[list[str] | None]:
    """Give the cells of each line, None where it has none.

    Each line by itself: a quotation mark that is not closed must not swallow those behind it.
    """
    for line in file:
        try:
            yield next(csv.reader([line], strict=True))
        except csv.Error:
            yield None


def _entry(line: list[str] | None, header: list[str], classes: Collection[str]) -> tuple[str, Entry]:
    if line is None:
        raise ValueError("it is no CSV: a quotation mark is not closed, or stands within a cell")
    if any(_NO_TEXT.search(cell) for cell in line):
        raise ValueError("it holds a zero or bytes that are no UTF-8. Save it as CSV UTF-8")
    if len(line) != len(header):
        raise ValueError(f"{len(header)} cells expected, {len(line)} found")
    cells = dict(zip(header, line, strict=True))
    filename = cells["filename"].strip().replace("\\", "/").removeprefix("./")
    if not filename:
        raise ValueError("the file name is empty")
    expected = cells.get("expected_category", "").strip() or None
    if expected is not None and expected not in classes:
        raise ValueError(f"expected_category {expected!r} is none of the categories")
    return_id = cells.get("return_id", "").strip()
    if len(return_id) > _LONGEST_RETURN_ID:
        raise ValueError(f"return_id has {len(return_id)} characters, the limit is {_LONGEST_RETURN_ID}")
    return filename, Entry(return_id, expected)
