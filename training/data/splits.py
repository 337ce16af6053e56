"""The parts of a data set: rows that train, rows that tune, and rows that test.

Hashes decide, so a row has the same part on every machine and in every run.
"""

import hashlib
from collections.abc import Collection
from typing import Literal

Part = Literal["train", "tune", "test"]
PARTS: tuple[Part, ...] = ("train", "tune", "test")
_HELD_OUT_KINDS = 12 / 59  # 12 of the 59 kinds of unknown items in our catalog
_SENDER_FOLDS = 5


def part_of_file(path: str) -> Part:
    """Return the part of a file by the hash of its path inside the data set: 8/10 train, 1/10 tune, 1/10 test."""
    tenth = int(_digest(path), 16) % 10
    return "tune" if tenth == 0 else "test" if tenth == 1 else "train"


def part_of_split(split: str, key: str) -> Part:
    """Return the part of a parquet row: in the split ``val`` an even sha256 of the id tunes, an odd one tests."""
    if split != "val":
        return "train"
    return "tune" if int(_digest(key), 16) % 2 == 0 else "test"


def held_out_kinds(kinds: Collection[str]) -> frozenset[str]:
    """Return the kinds of unknown items that only test: the figures must include kinds that training never saw."""
    return frozenset(sorted(kinds, key=_digest)[: round(_HELD_OUT_KINDS * len(kinds))])


def is_held_out_sender(sender: str) -> bool:
    """Return True for a fifth of the senders of phone photos, whose photos only test."""
    return int(_digest(f"sender {sender}"), 16) % _SENDER_FOLDS == 0


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
