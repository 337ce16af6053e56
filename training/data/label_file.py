"""Labels that a person gave: a CSV that says better than the data set what a photo shows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from training.data import csv_table
from training.data.samples import Row, checked_categories


def read(path: Path) -> dict[str, tuple[str, ...]]:
    """Read the columns ``photo`` (the key of a sample) and ``accepts`` (categories, separated by ``;``).


    Raises:
        FileNotFoundError, ValueError: the file or one of its lines cannot be used; the message has the line's number.
    """
    labels: dict[str, tuple[str, ...]] = {}
    for where, fields in csv_table.lines(path, ("photo", "accepts")):
        photo = fields["photo"]
        if photo in labels:
            raise ValueError(f"{where}: photo {photo} has a label already")
        labels[photo] = checked_categories(fields["accepts"], where)
    return labels


def relabelled(found: Sequence[Row], labels: dict[str, tuple[str, ...]], source: str) -> list[Row]:
    """Let labels take the place of the data set's own, but for rows that judge: figures stay comparable.

    Args:
        found: rows of all parts.
        labels: what counts as right, by the row's key; nothing leaves the photo out.
        source: names the labels in the message.

    Raises:
        ValueError: a label belongs to no photo, or to several.
    """
    times = Counter(row.key for row in found)
    if strays := [key for key in labels if times[key] != 1]:
        raise ValueError(f"{source}: photo {strays[0]} is {times[strays[0]]} times among the photos, not once")
    return [replace(row, accepts=labels[row.key]) if row.key in labels and row.part != "test" else row for row in found]
