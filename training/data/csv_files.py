"""CSV files that people write: lists of photos to judge a model by, and labels that replace the data set's own."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from training.data.categories import checked_categories
from training.data.samples import EVERYTHING, Sample

_OTHER_NAMES = {"id": "photo"}  # the label review names its photos by the column `id`


def lines(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each non-empty line as its place ("FILE, line N") and its cells by column name, stripped of spaces.

    Args:
        path: a file in UTF-8, with or without a byte order mark. Columns may have any order; further ones are allowed.
            A column ``id`` is read as ``photo``.
        columns: names that must exist; the first one names the photo and must not be empty.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file or one of its lines cannot be used; the message has the line's number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            read = csv.reader(file)
            header = [_OTHER_NAMES.get(name.strip(), name.strip()) for name in next(read, [])]
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


def read_photos(path: Path) -> list[Sample]:
    """Read a list of photos to judge a model by.

    The columns are ``file`` (relative to the CSV), ``accepts`` (categories separated by ``;``, ``unknown`` for an item
    outside the 27, empty where no prediction can be judged) and, optionally, ``group``. Other columns are ignored.

    Raises:
        ValueError: the CSV or one of its lines cannot be used; the message has the line's number.
    """
    return [_sample(fields, path, where) for where, fields in lines(path, ("file", "accepts"))]


def read_labels(path: Path) -> dict[str, tuple[str, ...]]:
    """Read labels: the columns ``photo`` or ``id`` (key of a sample) and ``accepts`` (categories separated by ``;``).

    An empty ``accepts`` says that no prediction can be judged.

    Raises:
        FileNotFoundError, ValueError: the file or one of its lines cannot be used; the message has the line's number.
    """
    labels: dict[str, tuple[str, ...]] = {}
    for where, fields in lines(path, ("photo", "accepts")):
        photo = fields["photo"]
        if photo in labels:
            raise ValueError(f"{where}: photo {photo} has a label already")
        labels[photo] = checked_categories(fields["accepts"], where)
    return labels


def relabelled(found: Sequence[Sample], labels: dict[str, tuple[str, ...]], source: str) -> list[Sample]:
    """Replace the data set's labels, except in the test part, so that figures stay comparable.

    Args:
        found: samples of all parts.
        labels: accepted categories by the sample's key; an empty tuple leaves the photo out.
        source: the origin of the labels, for the message.

    Raises:
        ValueError: a label belongs to no photo, or to several.
    """
    times = Counter(sample.key for sample in found)
    if strays := [key for key in labels if times[key] != 1]:
        raise ValueError(f"{source}: photo {strays[0]} is {times[strays[0]]} times among the photos, not once")
    return [
        replace(sample, accepts=labels[sample.key]) if sample.key in labels and sample.part != "test" else sample
        for sample in found
    ]


def _fields(cells: list[str], header: list[str], photo: str, where: str) -> dict[str, str]:
    if len(cells) != len(header):
        raise ValueError(f"{where}: {len(cells)} cells under {len(header)} columns; a comma in a name needs quotes")
    fields = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    if not fields[photo]:
        raise ValueError(f"{where}: no {photo}")
    return fields


def _sample(fields: dict[str, str], path: Path, where: str) -> Sample:
    accepts = checked_categories(fields["accepts"], where)
    group = fields.get("group") or EVERYTHING
    file = path.parent / fields["file"]
    return Sample("studio", fields["file"], fields["accepts"], accepts, "test", file, group)
