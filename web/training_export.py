"""Write the reviewed photos as labelled training data."""

import csv
import json
import shutil
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from results.confirmed_orders import confirmed_orders
from results.database import Database
from results.search import Criteria, all_photos
from results.spreadsheet import escape_formula
from web.pictures import Pictures

UNKNOWN = "unknown"  # the label of training for an item outside the categories
_COLUMNS = (
    "file",
    "label",
    "suspicion",
    "verdict",
    "reviewer",
    "reviewed_at",
    "predicted_class",
    "confidence",
    "sha256",
)
_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Exported:
    """The number of photos written, and of reviewed photos that have no picture."""

    written: int
    without_picture: int


def export_training(database: Database, media_dir: Path, folder: Path) -> Exported:
    """Write ``LABEL/SHA256.jpg`` for what people decided, and ``labels.csv`` with the likely wrong labels first.

    The label is the category that a person named. A photo without a verdict, which matches its order in a return that
    a person cleared, has the ordered category. Unusable photos are left out, and verdicts that were undone do not
    count. Photos with the same bytes are written once, with the newest verdict. ``suspicion``
    is the probability that the model gives to all other labels. A label that a confident model disagrees with deserves
    a second look.

    Args:
        database: the results.
        media_dir: the folder of the pictures.
        folder: is written; must be empty or new.

    Raises:
        ValueError: the folder is not empty.
        OSError: the folder cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(media_dir)
    labels: list[dict[str, Any]] = []
    decided = set[str]()  # hashes; what people said about a photo itself comes first
    without_picture = 0
    with database.reading() as connection:
        verdicts = all_photos(connection, Criteria(verdict="any"), _ROWS_AT_ONCE)
        for page in chain(verdicts, confirmed_orders(connection, _ROWS_AT_ONCE)):
            for row in page:
                if row["sha256"] in decided:
                    continue
                decided.add(row["sha256"])
                if row["verdict"] == "unusable":
                    continue
                copy = pictures.find(row["sha256"], "picture")
                if copy is None:
                    without_picture += 1
                    continue
                labels.append(_label(row, folder, copy))
    ordered = sorted(labels, key=lambda label: (-label["suspicion"], label["file"]))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows({name: escape_formula(value) for name, value in label.items()} for label in ordered)
    return Exported(len(labels), without_picture)


def _label(row: dict[str, Any], folder: Path, copy: Path) -> dict[str, Any]:
    label = row["verdict_class"] or UNKNOWN
    # The label comes from a table and becomes the name of a folder: refuse what would lead out of ours.
    if label in (".", "..") or "/" in label or "\0" in label:
        raise ValueError(f"the category {label!r} of photo {row['photo_id']} is not a name for a folder")
    target = folder / label / f"{row['sha256']}.jpg"
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(copy, target)
    given = {UNKNOWN: 1 - row["confidence"]} | {
        entry["class"]: float(entry["probability"]) for entry in json.loads(row["top3"])
    }
    return {
        "file": f"{label}/{target.name}",
        "label": label,
        "suspicion": round(1 - given.get(label, 0.0), 6),
        **{
            name: row[name]
            for name in ("verdict", "reviewer", "reviewed_at", "predicted_class", "confidence", "sha256")
        },
    }
