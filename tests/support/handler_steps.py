"""The handler's steps without TorchServe and without a trained network."""

import math

import numpy as np
from numpy.typing import NDArray

from handler.contract import Contract
from handler.decoding.decode import Limits
from handler.errors import PhotoError
from handler.pipeline import Predicted, Prepared, infer, infer_covered, predict, prepare
from handler.request import Request

LIMITS = Limits(max_bytes=50_000_000, max_pixels=100_000_000, min_side=16, max_photos=16)
CONTRACT = Contract("1.2.3", "1", ("Socks", "Belts", "Bra"), 64, (0.5,) * 3, (0.5,) * 3, 1.0, 0.6, 0.5)


class FakeRuntime:
    """A network that answers each photo with its mean colour.

    Attributes:
        batches: how many photos each run had.
    """

    name = "fake"
    device = "cpu"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def infer(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(len(photos))
        red, green, blue = photos.reshape(len(photos), -1, 3).mean(axis=1).T
        return np.stack([red, green, blue, np.full_like(red, -99)], axis=1).astype(np.float32)


def prepared(request: Request, contract: Contract = CONTRACT) -> list[Prepared | PhotoError]:
    return [prepare(photo, request, contract, LIMITS, math.inf) for photo in request.photos]


def answered(request: Request, contract: Contract = CONTRACT) -> list[Predicted | PhotoError]:
    """Take the photos of a request through all steps up to the prediction."""
    runtime = FakeRuntime()
    inferred = [infer_covered(photo, runtime) for photo in infer(prepared(request, contract), runtime)]
    return [predict(photo, contract, LIMITS, math.inf) for photo in inferred]
