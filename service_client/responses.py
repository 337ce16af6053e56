"""What a response of the service means: a prediction, a rejected photo, or a fault of the service."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_PHOTO_STATUSES = frozenset({400, 413, 415, 422})
_MINIATURE_BYTES = 8 * 8 * 3


@dataclass(frozen=True)
class Fingerprint:
    """What a photo looks like.

    Attributes:
        dhash: 64-bit difference hash.
        miniature: uint8 [8, 8, 3], RGB; never of one colour only.
    """

    dhash: int
    miniature: bytes


@dataclass(frozen=True)
class Picture:
    """What the desk shows of a photo.

    Attributes:
        thumbnail: JPEG, longest side at most 256 pixels, upright, without metadata.
        jpeg: JPEG, longest side at most 1,280 pixels, upright, without metadata. None where the photo itself is a
            small JPEG that a browser shows: its own bytes take this place.
        orientation: EXIF orientation of the photo, 1 to 8.
    """

    thumbnail: bytes
    jpeg: bytes | None
    orientation: int


@dataclass(frozen=True)
class OrderMatch:
    """What the order check says.

    Attributes:
        probability: calibrated probability of all ordered categories together.
        verdict: ``match``, ``unsure`` or ``mismatch``.
    """

    probability: float
    verdict: str


@dataclass(frozen=True)
class Prediction:
    """The classification of a photo.

    Attributes:
        top: the most likely classes as ``{"class": ..., "probability": ...}``, the most likely one first.
        fingerprint: None where it was not requested or the photo shows nothing.
        picture: None where it was not requested or could not be made.
        answer: the JSON object as the service sent it.
        match: the order check; None where no order was sent.
        probabilities: calibrated softmax, [C + 1]: the classes in the order of :class:`ServedModel`, then the outlier.
            None where they were not requested.
    """

    predicted_class: str
    confidence: float
    decision: str
    reason: str | None
    top: list[dict[str, Any]]
    model_version: str
    contract_version: str
    fingerprint: Fingerprint | None
    picture: Picture | None
    answer: Mapping[str, Any]
    match: OrderMatch | None = None
    probabilities: tuple[float, ...] | None = None


@dataclass(frozen=True)
class PhotoRejected:
    """The service cannot classify this photo. Another attempt with the same bytes gives the same result.

    Attributes:
        code: machine-readable error code.
        message: one or two sentences for a person.
        status: HTTP status.
    """

    code: str
    message: str
    status: int


class FaultKind(StrEnum):
    """What is wrong with the service."""

    FULL = "full"  # its queue has no room
    DRAINING = "draining"  # it is about to stop or restart
    WORKER_DIED = "worker_died"  # and with it a whole server batch
    BATCH_FAILED = "batch_failed"  # the handler failed on a whole server batch
    TOKEN = "token"  # noqa: S105 - it refuses our token
    AWAY = "away"  # anything else: no connection, no answer in time, not our service


@dataclass(frozen=True)
class ServiceFault:
    """The service, the engine or the network is at fault. This says nothing about the photo.

    Attributes:
        kind: what is wrong.
        message: what was seen.
    """

    kind: FaultKind
    message: str


@dataclass(frozen=True)
class ServedModel:
    """The model that answers.

    Attributes:
        classes: its categories, in the order of the service.
        thresholds: what decides, by name; ``match_threshold`` and ``mismatch_threshold`` are missing where the model
            has no order check.
        match_threshold_range: lowest and highest match threshold that calibration measured; None if the model has none.
    """

    model_version: str
    contract_version: str
    classes: tuple[str, ...]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    match_threshold_range: tuple[float, float] | None = None

    @property
    def checks_orders(self) -> bool:
        """Whether the model has an order check."""
        return {"match_threshold", "mismatch_threshold"} <= self.thresholds.keys()


def read_prediction(status: int, body: bytes) -> Prediction | PhotoRejected | ServiceFault:
    """Read the response to a photo.

    The photo is at fault only if the response has our own error shape. The engine itself answers 400 to a wrong
    token, and 413 without a body to a request that is too long.
    """
    value = _parse(body)
    if status == 200 and value is not None:
        try:
            return _prediction(value)
        except (KeyError, TypeError, ValueError) as error:
            return ServiceFault(FaultKind.AWAY, f"the answer is no prediction: {type(error).__name__} {error}")
    if status in _PHOTO_STATUSES and value is not None and isinstance(value.get("error"), dict):
        return PhotoRejected(str(value["error"].get("code")), str(value["error"].get("message")), status)
    if status == 413 and not body:
        return PhotoRejected(
            "too_many_bytes", "The file is larger than the service takes. Send a smaller JPEG.", status
        )
    return _fault(status, body)


def read_description(status: int, body: bytes) -> ServedModel | ServiceFault:
    """Read the response to ``describe``."""
    value = _parse(body)
    if status != 200 or value is None:
        return _fault(status, body)
    try:
        classes = tuple(str(name) for name in value["classes"])
        thresholds = {name: float(limit) for name, limit in value.items() if name.endswith("_threshold")}
        low, high = value.get("match_threshold_range") or (None, None)
        measured = None if low is None or high is None else (float(low), float(high))
        return ServedModel(str(value["model_version"]), str(value["contract_version"]), classes, thresholds, measured)
    except (KeyError, TypeError, ValueError):
        return ServiceFault(FaultKind.AWAY, "it does not describe itself as the refund classifier")


def _fault(status: int, body: bytes) -> ServiceFault:
    text = " ".join(body[:200].decode("utf-8", "replace").split())
    return ServiceFault(_kind(status, _parse(body) or {}), f"HTTP {status} {text}".strip())


def _kind(status: int, value: Mapping[str, Any]) -> FaultKind:
    """Return the kind of a fault. Source: responses of TorchServe 0.12; its documentation does not list them."""
    ours = value.get("error")
    code = ours.get("code") if status == 503 and isinstance(ours, dict) else None
    if code == "draining":
        return FaultKind.DRAINING
    engine_type = value.get("type")
    if status == 400 and engine_type == "InvalidKeyException":
        return FaultKind.TOKEN
    if status == 429 or code == "busy" or (status == 503 and engine_type == "ServiceUnavailableException"):
        return FaultKind.FULL
    if engine_type == "InternalServerException" and (status == 500 or value.get("message") == "Worker died."):
        return FaultKind.WORKER_DIED  # with status 507 where the kernel killed it because memory was short
    if status in (500, 507) or (status == 503 and engine_type == "InternalServerException"):
        return FaultKind.BATCH_FAILED
    return FaultKind.AWAY


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _prediction(value: dict[str, Any]) -> Prediction:
    decision = str(value["decision"])
    if decision not in ("accept", "review"):
        raise ValueError(f"decision {decision!r}")
    return Prediction(
        predicted_class=str(value["predicted_class"]),
        confidence=float(value["confidence"]),
        decision=decision,
        reason=str(value["reason"]) if decision == "review" else None,
        top=[{"class": str(entry["class"]), "probability": float(entry["probability"])} for entry in value["top"]],
        model_version=str(value["model_version"]),
        contract_version=str(value["contract_version"]),
        fingerprint=_fingerprint(value["fingerprint"]) if value.get("fingerprint") else None,
        picture=_picture(value["picture"]) if value.get("picture") else None,
        answer=value,
        match=_match(value["match"]) if value.get("match") else None,
        probabilities=_probabilities(value) if value.get("probabilities") else None,
    )


def _match(value: dict[str, Any]) -> OrderMatch:
    verdict = str(value["verdict"])
    if verdict not in ("match", "unsure", "mismatch"):
        raise ValueError(f"verdict {verdict!r}")
    return OrderMatch(float(value["probability"]), verdict)


def _probabilities(value: dict[str, Any]) -> tuple[float, ...]:
    classes = [float(probability) for probability in value["probabilities"].values()]
    return (*classes, float(value["outlier_probability"]))


def _fingerprint(value: dict[str, Any]) -> Fingerprint:
    miniature = base64.b64decode(value["miniature"], validate=True)
    dhash = int(value["dhash"], 16)
    if len(miniature) != _MINIATURE_BYTES or len(set(miniature)) == 1 or not 0 <= dhash < 1 << 64:
        raise ValueError("fingerprint")
    return Fingerprint(dhash, miniature)


def _picture(value: dict[str, Any]) -> Picture:
    orientation = int(value["orientation"])
    if not 1 <= orientation <= 8:
        raise ValueError(f"orientation {orientation}")
    jpeg = base64.b64decode(value["jpeg"], validate=True) if value.get("jpeg") else None
    return Picture(base64.b64decode(value["thumbnail"], validate=True), jpeg, orientation)
