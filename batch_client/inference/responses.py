"""What the service's answer means for a photo."""

import base64
import json
from dataclasses import dataclass
from typing import Any, Literal

from results.fingerprints import MINIATURE_BYTES, Fingerprint

_PHOTO_STATUSES = frozenset({400, 413, 415, 422})


@dataclass(frozen=True)
class Prediction:
    """A photo's classification, as the service gave it.

    Attributes:
        fingerprint: what the photo looks like; None where there is nothing to see, or from a service that cannot tell.
    """

    predicted_class: str
    confidence: float
    decision: str
    reason: str | None
    top3: list[dict[str, Any]]
    model_version: str
    contract_version: str
    fingerprint: Fingerprint | None = None


@dataclass(frozen=True)
class Refusal:
    """The service found the photo at fault; sending it again would change nothing."""

    code: str
    message: str


@dataclass(frozen=True)
class Trouble:
    """No word about the photo: the service, the engine or the network is at fault.

    Attributes:
        kind: ``full`` (the queue has no room), ``draining`` (it is about to end or restart), ``died`` (the worker,
            and with it a whole server batch), ``failed`` (the handler, on a whole server batch), ``token`` (our key is
            not or no longer right), ``away`` (anything else: no connection, no answer in time, a door we did not
            expect).
        message: what was seen.
    """

    kind: Literal["full", "draining", "died", "failed", "token", "away"]
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
            return Trouble("away", f"the answer is no prediction: {type(error).__name__} {error}")
    if status in _PHOTO_STATUSES and value is not None and isinstance(value.get("error"), dict):
        return Refusal(str(value["error"].get("code")), str(value["error"].get("message")))
    if status == 413 and not body:
        return Refusal("too_many_bytes", "The file is larger than the service takes. Send a smaller JPEG.")
    text = " ".join(body[:200].decode("utf-8", "replace").split())
    return Trouble(_kind(status, value or {}), f"HTTP {status} {text}".strip())


def _kind(status: int, value: dict[str, Any]) -> Literal["full", "draining", "died", "failed", "token", "away"]:
    """Tell the engine's own faults apart. Source: TorchServe 0.12, seen; its documentation does not list them."""
    ours = value.get("error")
    code = ours.get("code") if status == 503 and isinstance(ours, dict) else None
    if code == "draining":
        return "draining"
    engine_type = value.get("type")
    if status == 400 and engine_type == "InvalidKeyException":
        return "token"
    if status == 429 or code == "busy" or (status == 503 and engine_type == "ServiceUnavailableException"):
        return "full"
    if engine_type == "InternalServerException" and (status == 500 or value.get("message") == "Worker died."):
        return "died"  # 507 where the kernel killed it, as it does when memory is short
    if status in (500, 507) or (status == 503 and engine_type == "InternalServerException"):
        return "failed"
    return "away"


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
        top3=[{"class": str(entry["class"]), "probability": float(entry["probability"])} for entry in value["top"]],
        model_version=str(value["model_version"]),
        contract_version=str(value["contract_version"]),
        fingerprint=_fingerprint(value["fingerprint"]) if value.get("fingerprint") else None,
    )


def _fingerprint(value: dict[str, Any]) -> Fingerprint:
    miniature = base64.b64decode(value["miniature"], validate=True)
    dhash = int(value["dhash"], 16)
    if len(miniature) != MINIATURE_BYTES or len(set(miniature)) == 1 or not 0 <= dhash < 1 << 64:
        raise ValueError("fingerprint")
    return Fingerprint(dhash, miniature)
