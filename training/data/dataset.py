"""Decode samples once into arrays that fit in memory, and find near-duplicates."""

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
from training.data.categories import CLASSES, UNKNOWN
from training.data.samples import Sample
from training.data.splits import Part

Fit = Literal["squash", "letterbox"]

_DECODERS = os.cpu_count() or 1
_MAX_TWIN_DISTANCE = 4  # bits in which the dHashes of near-duplicates may differ
_LIMITS = shipped_limits()


@dataclass(frozen=True)
class Dataset:
    """Photos and targets of some samples, in the same order.

    Attributes:
        samples: the samples.
        photos: uint8 [N, S, S, 3], RGB.
        accepts: bool [N, 28], true where a class (last column: unknown) counts as right.
    """

    samples: list[Sample]
    photos: Tensor
    accepts: Tensor


def load(samples: Sequence[Sample], size: int, fit: Fit = "squash") -> Dataset:
    """Decode samples to squares of ``size`` pixels, with a progress bar.

    Args:
        samples: to decode.
        size: side of the square, pixels.
        fit: how a picture becomes a square. The service squashes (:func:`handler.preprocess.preprocess`);
            ``letterbox`` pads with white, for comparison only.

    Raises:
        ValueError: a photo cannot be decoded; see :func:`picture`.
    """
    photos = np.empty((len(samples), size, size, 3), dtype=np.uint8)

    def decode_into(index: int) -> None:
        image = picture(samples[index])
        if fit == "letterbox":
            image = ImageOps.pad(image, (max(image.size),) * 2, color=(255, 255, 255))
        photos[index] = preprocess(image, size)

    with ThreadPoolExecutor(_DECODERS) as pool:
        for _ in track(pool.map(decode_into, range(len(samples))), "decoding photos", total=len(samples)):
            pass
    return Dataset(list(samples), torch.from_numpy(photos), accept_targets(samples))


def picture(sample: Sample) -> Image.Image:
    """Decode a sample at full resolution, to mode RGB.

    Raises:
        ValueError: the photo cannot be read or decoded; the message names its file, or its data set and id.
    """
    try:
        return decode(sample.photo(), _LIMITS)
    except Exception as error:
        raise ValueError(f"{sample.name} cannot be read: {error}") from error


def accept_targets(samples: Sequence[Sample]) -> Tensor:
    """Return bool [N, 28]: which classes count as right, unknown last."""
    index = {name: position for position, name in enumerate((*CLASSES, UNKNOWN))}
    targets = torch.zeros(len(samples), len(index), dtype=torch.bool)
    for position, sample in enumerate(samples):
        targets[position, [index[name] for name in sample.accepts]] = True
    return targets


def without_near_duplicates(samples: Sequence[Sample], of: Collection[Part] = ("tune", "test")) -> list[Sample]:
    """Drop training samples that look like a test sample; move those that look like a tuning sample to tuning.

    About one catalog photo in ten has a near-identical twin, so a split by id alone leaks. Twins of tuning samples must
    not train either. They tune instead, because a threshold that allows one wrong photo in a hundred needs many photos.

    Args:
        samples: of all parts.
        of: parts whose twins must not train.

    Raises:
        ValueError: a photo cannot be decoded; see :func:`picture`.
    """
    hashes = hashes_of(samples)
    judged = {part: hashes[[sample.part == part and part in of for sample in samples]] for part in ("tune", "test")}
    kept = []
    for sample, own in zip(samples, hashes, strict=True):
        if sample.part != "train":
            kept.append(sample)
        elif not is_near(own, judged["test"]):
            kept.append(replace(sample, part="tune") if is_near(own, judged["tune"]) else sample)
    return kept


def without_twins(samples: Sequence[Sample], of: Sequence[Sample]) -> list[Sample]:
    """Return the samples that look like none of the others.

    Raises:
        ValueError: a photo cannot be decoded; see :func:`picture`.
    """
    others = hashes_of(of)
    return [sample for sample, own in zip(samples, hashes_of(samples), strict=True) if not is_near(own, others)]


def hashes_of(samples: Sequence[Sample]) -> np.ndarray:
    """Return the dHash of each sample, uint64 [N], with a progress bar.

    Raises:
        ValueError: a photo cannot be decoded; see :func:`picture`.
    """
    with ThreadPoolExecutor(_DECODERS) as pool:
        hashed = pool.map(lambda sample: dhash(picture(sample)), samples)
        return np.array(list(track(hashed, "looking for near-duplicates", total=len(samples))), dtype=np.uint64)


def is_near(own: np.uint64, others: np.ndarray) -> bool:
    """Return True if a dHash is that of a near-duplicate of any of the others, uint64 [N]."""
    return bool((np.bitwise_count(others ^ own) <= _MAX_TWIN_DISTANCE).any())
