"""Turn logits into a prediction: calibrated probabilities and a decision."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handler.contract import Contract

TOP = 3
_DIGITS = 6  # of probabilities in predictions; calibration is far less exact


def postprocess(logits: NDArray[np.float32], contract: Contract) -> list[dict[str, Any]]:
    """Turn logits into predictions as the prediction API describes them.

    Args:
        logits: float32 [N, C + 1], the outlier logit last.
        contract: temperature, thresholds and names.

    Returns:
        One prediction per row: ``predicted_class``, ``confidence``, ``decision``, ``reason`` (exactly when the
        decision is ``review``), ``top``, ``model_version``, ``contract_version``.
    """
    probabilities = np.exp(class_log_probabilities(logits, contract))
    outliers = output_probabilities(logits, contract)[:, -1]
    return [_prediction(row, float(outlier), contract) for row, outlier in zip(probabilities, outliers, strict=True)]


def class_log_probabilities(logits: NDArray[np.float32], contract: Contract) -> NDArray[np.float64]:
    """Return the logarithm of the calibrated probabilities of the classes alone, float64 [N, C].

    They assume that the photo shows one of the classes, and sum to 1 without the outlier.

    Args:
        logits: float32 [N, C + 1], the outlier logit last.
        contract: the temperature.
    """
    return _log_softmax(logits[:, :-1], contract)


def output_probabilities(logits: NDArray[np.float32], contract: Contract) -> NDArray[np.float64]:
    """Return the calibrated probabilities of all outputs, float64 [N, C + 1], the outlier last.

    Args:
        logits: float32 [N, C + 1], the outlier logit last.
        contract: the temperature.
    """
    return np.exp(_log_softmax(logits, contract))


def all_probabilities(probabilities: NDArray[np.float64], contract: Contract) -> dict[str, Any]:
    """Return the fields that carry the probabilities of all outputs.

    Args:
        probabilities: float64 [C + 1], one row of :func:`output_probabilities`.
        contract: the names.
    """
    by_name = {name: rounded(value) for name, value in zip(contract.classes, probabilities[:-1], strict=True)}
    return {"probabilities": by_name, "outlier_probability": rounded(probabilities[-1])}


def rounded(probability: float | np.float64) -> float:
    """Round a probability for a response."""
    return min(1.0, round(float(probability), _DIGITS))


def _log_softmax(logits: NDArray[np.float32], contract: Contract) -> NDArray[np.float64]:
    scaled = logits.astype(np.float64) / contract.temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return result


def _prediction(probabilities: NDArray[np.float64], outlier: float, contract: Contract) -> dict[str, Any]:
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    top = [{"class": contract.classes[i], "probability": rounded(probabilities[i])} for i in best]
    reason = _reason_to_review(float(probabilities[best[0]]), outlier, contract)
    return {
        "predicted_class": top[0]["class"],
        "confidence": top[0]["probability"],
        **({"decision": "review", "reason": reason} if reason else {"decision": "accept"}),
        "top": top,
        "model_version": contract.model_version,
        "contract_version": contract.contract_version,
    }


def _reason_to_review(confidence: float, outlier: float, contract: Contract) -> str | None:
    if outlier >= contract.unknown_threshold:
        return "unknown_item"
    if confidence < contract.accept_threshold:
        return "low_confidence"
    return None
