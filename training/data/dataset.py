"""Rows decoded once into arrays that fit in memory."""

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from rich.progress import track
from torch import Tensor

from handler.decoding.decode import decode
from handler.fingerprint import dhash
from handler.offline import shipped_limits
from handler.preprocess import preprocess
from training.data.samples import CLASSES, UNKNOWN, Part, Row

Fit = Literal["squash", "letterbox"]

_DECODERS = os.cpu_count() or 1
_MOST_BITS_OF_A_TWIN = 4  # in which two dHashes may differ and still count as one picture
_LIMITS = shipped_limits()


@dataclass(frozen=True)
class Dataset:
    """Photos and targets of some rows, in the same order.

    Attributes:
        rows: the rows.
        photos: uint8 [N, S, S, 3], RGB.
        accepts: bool [N, 28], true where a class (last column: unknown) counts as right.
    """

    rows: list[Row]
    photos: Tensor
    accepts: Tensor


def load(rows: Sequence[Row], size: int, fit: Fit = "squash") -> Dataset:
    """Decode rows to squares of ``size`` pixels, with a progress bar.

    Args:
        rows: the rows.
        size: pixels.
        fit: how a picture becomes a square. Served is what :func:`handler.preprocess.preprocess` does, ``squash``;
            ``letterbox`` lays it on a white square, to compare.

    Raises:
        ValueError: as :func:`picture`.
    """
    photos = np.empty((len(rows), size, size, 3), dtype=np.uint8)

    def decode_into(index: int) -> None:
        image = picture(rows[index])
        if fit == "letterbox":
            image = ImageOps.pad(image, (max(image.size),) * 2, color=(255, 255, 255))
        photos[index] = preprocess(image, size)

    with ThreadPoolExecutor(_DECODERS) as pool:
        for _ in track(pool.map(decode_into, range(len(rows))), "decoding photos", total=len(rows)):
            pass
    return Dataset(list(rows), torch.from_numpy(photos), accept_targets(rows))


def picture(row: Row) -> Image.Image:
    """Decode a row in full, to mode RGB.

    Raises:
        ValueError: the photo cannot be read or decoded; the message names its file, or its data set and id.
    """
    try:
        return decode(row.photo(), _LIMITS)
    except Exception as error:
        raise ValueError(f"{row.name} cannot be read: {error}") from error


def accept_targets(rows: Sequence[Row]) -> Tensor:
    """Return bool [N, 28]: which classes count as right, unknown last."""
    index = {name: position for position, name in enumerate((*CLASSES, UNKNOWN))}
    targets = torch.zeros(len(rows), len(index), dtype=torch.bool)
    for position, row in enumerate(rows):
        targets[position, [index[name] for name in row.accepts]] = True
    return targets


def without_near_duplicates(rows: Sequence[Row], of: Collection[Part] = ("tune", "test")) -> list[Row]:
    """Leave out training rows that look like a test row; let those that look like a tuning row tune as well.

    About one catalog photo in ten has a near-identical twin, so a split by id alone leaks. Twins of tuning rows
    must not train either, but thresholds that hold for one wrong photo in a hundred need all the rows they can get.

    Args:
        rows: rows of all parts.
        of: parts whose twins must not train.

    Raises:
        ValueError: as :func:`picture`.
    """
    with ThreadPoolExecutor(_DECODERS) as pool:
        hashed = pool.map(lambda row: dhash(picture(row)), rows)
        hashes = np.array(list(track(hashed, "looking for near-duplicates", total=len(rows))), dtype=np.uint64)
    judged = {part: hashes[[row.part == part and part in of for row in rows]] for part in ("tune", "test")}

    def is_near(own: np.uint64, part: str) -> bool:
        return bool((np.bitwise_count(judged[part] ^ own) <= _MOST_BITS_OF_A_TWIN).any())

    kept = []
    for row, own in zip(rows, hashes, strict=True):
        if row.part != "train":
            kept.append(row)
        elif not is_near(own, "test"):
            kept.append(replace(row, part="tune") if is_near(own, "tune") else row)
    return kept
