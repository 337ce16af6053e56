"""What the service's answer means for a photo."""

import json
from dataclasses import dataclass
from typing import Any, Literal

_PHOTO_STATUSES = frozenset({400, 413, 415, 422})
_RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 507})


@dataclass(frozen=True)
class Prediction:
    """A photo's classification, as the service gave it."""

    predicted_class: str
    confidence: float
    decision: str
    reason: str | None
    top3: list[dict[str, Any]]
    model_version: str
    contract_version: str


@dataclass(frozen=True)
class Refusal:
    """The service found the photo at fault; sending it again would change nothing."""

    code: str
    message: str


@dataclass(frozen=True)
class Trouble:
    """No word about the photo: the service, the engine or the network is at fault.

    Attributes:
        kind: ``retry`` (may pass), ``token`` (our key is not or no longer right), ``other`` (a door we did not expect).
        message: what was seen.
    """

    kind: Literal["retry", "token", "other"]
    message: str


def read_answer(status: int, body: bytes) -> Prediction | Refusal | Trouble:
    """Tell the two families of faults apart.

    A photo is at fault only when the answer has our own error shape; the engine uses 400 for a wrong key, and its
    413 for too long a request has no body.
    """
    value = _parse(body)
    if status == 200 and value is not None:
        try:
            return _prediction(value)
        except (KeyError, TypeError, ValueError) as error:
            return Trouble("other", f"the answer is no prediction: {type(error).__name__} {error}")
    if status in _PHOTO_STATUSES and value is not None and isinstance(value.get("error"), dict):
        return Refusal(str(value["error"].get("code")), str(value["error"].get("message")))
    if status == 413 and not body:
        return Refusal("too_many_bytes", "The file is larger than the service takes. Send a smaller JPEG.")
    if status == 400 and value is not None and value.get("type") == "InvalidKeyException":
        return Trouble("token", "the service does not accept the token")
    text = body[:200].decode("utf-8", "replace").strip()
    return Trouble("retry" if status in _RETRIED_STATUSES else "other", f"HTTP {status} {text}".strip())


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
        top3=list(value["top"]),
        model_version=str(value["model_version"]),
        contract_version=str(value["contract_version"]),
    )
