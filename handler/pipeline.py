"""The steps from the photos of a request to its response: prepare, infer, predict, respond.

Each step takes a value of one type and returns a value of the next. A photo that fails leaves the steps as a
:class:`PhotoError`, so that one bad photo never harms the others of its server batch.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ParamSpec

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from handler.contract import Contract
from handler.decoding.decode import Limits, decode_photo
from handler.errors import ErrorCode, PhotoError, internal_error
from handler.explain import OVERLAY_SIDE, covered, explanation, heatmap_of, overlay, reduced
from handler.fingerprint import fingerprint_of
from handler.match import with_match
from handler.picture import LONGEST_SIDE, Picture, PictureResult, is_jpeg, picture_of, picture_of_jpeg
from handler.postprocess import all_probabilities, output_probabilities, postprocess
from handler.preprocess import preprocess
from handler.request import EncodedPhoto, Request
from handler.response import PNG, Response, error_entry, error_response, json_response
from handler.runtimes.runtime import Runtime

P = ParamSpec("P")
log = logging.getLogger(__name__)

# Half of the engine's responseTimeout of 60 s. The engine ends a worker that exceeds it, and with the worker all
# requests that are in flight. A photo within the limits takes a few seconds at most, but one server batch can bring
# 128 of the largest.
DECODE_QUEUE_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Prepared:
    """A photo that is ready for the network.

    Attributes:
        request: the request that carries it.
        pixels: uint8 [H, W, 3], RGB, for the network.
        fingerprint: what the photo looks like; None if it is not requested, or if the photo shows nothing.
        overlay_base: the photo at the overlay's size, mode RGB; None if no overlay is requested.
        encoded: the photo as it arrived; a JPEG is decoded again, at a larger scale, if its picture is due.
        picture: the picture for the desk, if it is requested and the photo is not a JPEG. Other formats are always
            decoded in full, and a second decode would cost as much again.
    """

    request: Request
    pixels: NDArray[np.uint8]
    fingerprint: dict[str, str] | None
    overlay_base: Image.Image | None
    encoded: bytes | bytearray
    picture: Picture | None


@dataclass(frozen=True)
class Inferred:
    """A photo with the output of the network.

    Attributes:
        prepared: the photo.
        logits: float32 [C + 1].
        covered_logits: float32 [25, C + 1], of the copies that :func:`handler.explain.covered` returns; None if no
            explanation is requested.
    """

    prepared: Prepared
    logits: NDArray[np.float32]
    covered_logits: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Predicted:
    """What the service says about a photo.

    Attributes:
        prediction: the JSON object of the prediction API.
        overlay: the photo with the heat map over it, PNG; None if it is not requested.
        picture: what came of the picture for the desk; None if none was due.
    """

    prediction: dict[str, Any]
    overlay: bytes | None = None
    picture: PictureResult | None = None


# What the metrics count: a prediction, the code of an error, or what came of a picture for the desk.
Event = dict[str, Any] | ErrorCode | PictureResult


@dataclass(frozen=True)
class Row:
    """One request of a server batch with what came of its photos, in their order."""

    request: Request
    photos: list[Predicted | PhotoError] = field(default_factory=list)


def events_of(row: Row | PhotoError) -> list[Event]:
    """Return what the metrics count of a row.

    Every error counts. An explanation is not a second prediction, and a probe is not somebody's photo.
    """
    if isinstance(row, PhotoError):
        return [row.code]
    counts = row.request.purpose == "predict" and not row.request.is_probe
    events: list[Event] = []
    for photo in row.photos:
        if isinstance(photo, PhotoError):
            events.append(photo.code)
            continue
        if counts:
            events.append(photo.prediction)
        if photo.picture is not None:
            events.append(photo.picture)
    return events


def prepare(
    encoded: EncodedPhoto, request: Request, contract: Contract, limits: Limits, deadline: float
) -> Prepared | PhotoError:
    """Decode and preprocess one photo.

    Args:
        encoded: the photo as it arrived.
        request: the request that carries it.
        contract: the input size of the network.
        limits: the most that a photo may cost.
        deadline: until when the photo may wait for its turn to be decoded, monotonic seconds.
    """
    try:
        if encoded.data is None:
            raise PhotoError(
                ErrorCode.UNSUPPORTED_FORMAT,
                "This is JSON or text, not a photo. Send the photo's bytes with a Content-Type such as image/jpeg.",
            )
        # A JPEG decoded at a fraction of its size costs a fraction of the time: `python -m benchmarks.stages`.
        least_side = OVERLAY_SIDE if request.wants_overlay else contract.input_size
        larger_side = LONGEST_SIDE if request.picture else 0
        decoded = decode_photo(encoded.data, limits, least_side, deadline, larger_side=larger_side)
        return Prepared(
            request,
            pixels=preprocess(decoded.image, contract.input_size),
            fingerprint=fingerprint_of(decoded.image) if request.wants_fingerprint else None,
            overlay_base=reduced(decoded.image) if request.wants_overlay else None,
            encoded=encoded.data,
            picture=_or_none(picture_of, decoded.larger, decoded.orientation) if decoded.larger else None,
        )
    except PhotoError as error:
        return error
    except Exception:
        log.exception("a photo could not be prepared")
        return internal_error()


def infer(photos: Sequence[Prepared | PhotoError], runtime: Runtime) -> list[Inferred | PhotoError]:
    """Run the network once over all photos of a server batch.

    Args:
        photos: the prepared photos. An error passes through to its place in the result.
        runtime: the network.
    """
    good = {index: photo for index, photo in enumerate(photos) if isinstance(photo, Prepared)}
    if not good:
        return [photo for photo in photos if isinstance(photo, PhotoError)]
    rows = runtime.infer(np.stack([photo.pixels for photo in good.values()]))
    logits = dict(zip(good, rows, strict=True))
    return [
        Inferred(photo, logits[index]) if isinstance(photo, Prepared) else photo for index, photo in enumerate(photos)
    ]


def infer_covered(photo: Inferred | PhotoError, runtime: Runtime) -> Inferred | PhotoError:
    """Add what an explanation needs: the network's output for the photo with each place covered."""
    if isinstance(photo, PhotoError) or photo.prepared.request.purpose != "explain":
        return photo
    return replace(photo, covered_logits=runtime.infer(covered(photo.prepared.pixels)))


def predict(
    photo: Inferred | PhotoError, contract: Contract, limits: Limits, deadline: float
) -> Predicted | PhotoError:
    """Turn the network's output for one photo into a prediction, and draw its picture if one is due.

    Args:
        photo: the photo. An error passes through.
        contract: temperature, thresholds and names.
        limits: the most that a photo may cost.
        deadline: until when the photo may wait for its turn to be decoded again, monotonic seconds.
    """
    if isinstance(photo, PhotoError):
        return photo
    try:
        prediction, heatmap = _prediction(photo, contract), _heatmap(photo, contract)
        if heatmap is not None:
            prediction = explanation(prediction, heatmap)
        base = photo.prepared.overlay_base
        drawn = None if heatmap is None or base is None else overlay(base, heatmap)
        wish = photo.prepared.request.picture
        if wish is None or (wish == "review" and prediction["decision"] != "review"):
            return Predicted(prediction, drawn)
        picture = photo.prepared.picture
        if picture is None and is_jpeg(photo.prepared.encoded):
            picture = _or_none(picture_of_jpeg, photo.prepared.encoded, limits, deadline)
        if picture is None:
            return Predicted(prediction, drawn, PictureResult.FAILED)
        return Predicted({**prediction, "picture": picture.as_json()}, drawn, PictureResult.MADE)
    except Exception:
        log.exception("a photo could not be answered")
        return internal_error()


def _prediction(photo: Inferred, contract: Contract) -> dict[str, Any]:
    """Return the prediction with what the request asks for beside it."""
    request = photo.prepared.request
    prediction = postprocess(photo.logits[np.newaxis], contract)[0]
    if request.expected or request.wants_probabilities:
        probabilities = output_probabilities(photo.logits[np.newaxis], contract)[0]
        if request.expected:
            prediction = with_match(prediction, probabilities, request.expected, contract)
        if request.wants_probabilities:
            prediction = {**prediction, **all_probabilities(probabilities, contract)}
    if request.wants_fingerprint:
        prediction = {**prediction, "fingerprint": photo.prepared.fingerprint}
    return prediction


def _heatmap(photo: Inferred, contract: Contract) -> NDArray[np.float32] | None:
    if photo.covered_logits is None:
        return None
    return heatmap_of(photo.logits, photo.covered_logits, contract)


def respond(request: Request, photos: Sequence[Predicted | PhotoError]) -> Response:
    """Build the response of a request: the photo's own status for one photo, 200 and a list for several.

    Args:
        request: the request.
        photos: what came of its photos, in their order.
    """
    if len(request.photos) > 1:
        entries = [
            {"field": encoded.field, **_entry(photo)} for encoded, photo in zip(request.photos, photos, strict=True)
        ]
        return json_response({"predictions": entries})
    (photo,) = photos
    if isinstance(photo, PhotoError):
        return error_response(photo)
    return json_response(photo.prediction) if photo.overlay is None else Response(200, photo.overlay, PNG)


def _or_none(draw: Callable[P, Picture], *arguments: P.args, **options: P.kwargs) -> Picture | None:
    """Draw a picture; None if that fails, because the prediction is worth more than its picture."""
    try:
        return draw(*arguments, **options)
    except Exception:
        log.exception("the picture of a photo could not be drawn")
        return None


def _entry(photo: Predicted | PhotoError) -> dict[str, Any]:
    return error_entry(photo) if isinstance(photo, PhotoError) else photo.prediction
