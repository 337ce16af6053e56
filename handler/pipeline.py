"""From the photos of one request to its response."""

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from handler.contract import Contract
from handler.decoding.decode import Limits, decode
from handler.errors import ErrorCode, PhotoError
from handler.explain import OVERLAY_SIDE, explanation, heatmap_of, overlay, reduced
from handler.fingerprint import fingerprint_of
from handler.postprocess import postprocess
from handler.preprocess import preprocess
from handler.request import EncodedPhoto, Request
from handler.response import (
    PNG,
    Response,
    error_entry,
    error_response,
    internal_error_entry,
    internal_error_response,
    json_response,
)

log = logging.getLogger("handler")

# Of the engine's responseTimeout of 60 s, after which it ends the worker and with it everybody's requests. No photo
# within the limits takes more than some seconds, but one server batch may bring 128 of the largest.
PATIENCE_S = 30.0


@dataclass
class PhotoInWork:
    """One photo on its way through the handler.

    Attributes:
        encoded: as it arrived.
        explained: the answer shall say where in the photo the class was seen.
        keep_picture: an overlay will be drawn on it.
        wants_fingerprint: the answer shall say what the photo looks like.
        picture: the photo at the overlay's size, mode RGB, if so.
        fingerprint: what it looks like, if that is wanted and there is something to see.
        pixels: uint8 [H, W, 3] for the network; None when the photo cannot be classified.
        error: why not; None with no pixels means a fault of ours.
        seconds: what decoding and preprocessing took.
        arrived: when its server batch came, monotonic seconds.
        logits: float32 [C + 1], once the network ran.
        covered_logits: float32 [25, C + 1], likewise: of what :func:`handler.explain.covered` returned, if explained.
    """

    encoded: EncodedPhoto
    explained: bool = False
    keep_picture: bool = False
    wants_fingerprint: bool = False
    picture: Image.Image | None = None
    fingerprint: dict[str, str] | None = None
    pixels: NDArray[np.uint8] | None = None
    error: PhotoError | None = None
    seconds: float = 0.0
    arrived: float = field(default_factory=time.monotonic)
    logits: NDArray[np.float32] | None = None
    covered_logits: NDArray[np.float32] | None = None


def prepare(photo: PhotoInWork, contract: Contract, limits: Limits) -> PhotoInWork:
    """Decode and preprocess one photo in place; whatever goes wrong stays with it."""
    began = time.perf_counter()
    try:
        if photo.encoded.data is None:
            raise PhotoError(
                ErrorCode.UNSUPPORTED_FORMAT,
                "This is JSON or text, not a photo. Send the photo's bytes with a Content-Type such as image/jpeg.",
            )
        # A JPEG decoded at a fraction of its size costs a fraction of the time: `python -m benchmarks.stages`.
        least_side = OVERLAY_SIDE if photo.keep_picture else contract.input_size
        image = decode(photo.encoded.data, limits, least_side, deadline=photo.arrived + PATIENCE_S)
        photo.pixels = preprocess(image, contract.input_size)
        photo.picture = reduced(image) if photo.keep_picture else None
        photo.fingerprint = fingerprint_of(image) if photo.wants_fingerprint else None
    except PhotoError as error:
        photo.error = error
    except Exception:
        log.exception("a photo could not be prepared")
    photo.seconds = time.perf_counter() - began
    return photo


@dataclass
class RowAnswers:
    """The photos of one request and the response they add up to."""

    request: Request
    photos: list[PhotoInWork] = field(init=False)

    def __post_init__(self) -> None:
        alone = len(self.request.photos) == 1  # several answers are a list, which is JSON
        explained = self.request.purpose == "explain"
        keep_picture = alone and explained and self.request.wants_png
        self.photos = [
            PhotoInWork(encoded, explained, keep_picture, self.request.wants_fingerprint)
            for encoded in self.request.photos
        ]

    def response(self, contract: Contract) -> Response:
        """Build the response: the photo's own status for one photo, 200 and a list for several."""
        if len(self.photos) > 1:
            entries = [{"field": photo.encoded.field, **self._entry(photo, contract)} for photo in self.photos]
            return json_response({"predictions": entries}, counted=self._counted(entries))
        photo = self.photos[0]
        if photo.error is not None:
            return error_response(photo.error)
        if photo.logits is None:
            return internal_error_response()
        if photo.picture is not None:
            return Response(200, overlay(photo.picture, _heatmap(photo, contract)), PNG)
        entry = self._entry(photo, contract)
        return json_response(entry, counted=self._counted([entry]))

    def _counted(self, entries: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
        """Return what the metrics count: an explanation is no second prediction, and a probe is nobody's photo."""
        if self.request.is_probe:
            return ()
        return tuple(entry for entry in entries if "error" in entry or self.request.purpose == "predict")

    def _entry(self, photo: PhotoInWork, contract: Contract) -> dict[str, Any]:
        if photo.error is not None:
            return error_entry(photo.error.code, photo.error.message)
        if photo.logits is None:
            return internal_error_entry()
        answer = postprocess(photo.logits[np.newaxis], contract)[0]
        if photo.explained:
            answer = explanation(answer, _heatmap(photo, contract))
        return {**answer, "fingerprint": photo.fingerprint} if photo.wants_fingerprint else answer


def _heatmap(photo: PhotoInWork, contract: Contract) -> NDArray[np.float32]:
    """Return the heat map of the predicted class."""
    assert photo.logits is not None
    assert photo.covered_logits is not None
    return heatmap_of(photo.logits, photo.covered_logits, contract)
