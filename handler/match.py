"""The order check: does the photo show what was ordered?"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from handler.contract import Contract
from handler.errors import ErrorCode, PhotoError
from handler.postprocess import rounded

Verdict = Literal["match", "unsure", "mismatch"]
VERDICTS: tuple[Verdict, ...] = ("match", "unsure", "mismatch")
_REASONS = {"unsure": "unsure_match", "mismatch": "mismatch"}
_LONGEST_NAME_SHOWN = 60


def check_expected(expected: tuple[str, ...], contract: Contract) -> None:
    """Refuse an order that the model cannot check.

    Args:
        expected: names of the ordered categories; empty without an order.
        contract: the categories of the model and the thresholds of the order check.

    Raises:
        PhotoError: ``no_order_check`` or ``unknown_category``.
    """
    if not expected:
        return
    if contract.match_threshold is None or contract.mismatch_threshold is None:
        raise PhotoError(
            ErrorCode.NO_ORDER_CHECK,
            f"Model {contract.model_version} has no thresholds for the order check. Send the photo without the order's "
            "category, or serve a model whose contract.json has match_threshold and mismatch_threshold.",
        )
    for name in expected:
        if name not in contract.classes:
            raise PhotoError(
                ErrorCode.UNKNOWN_CATEGORY,
                f"{name[:_LONGEST_NAME_SHOWN]!a} is not a category of the model. Use one of these names, or several "
                f"separated by commas: {', '.join(contract.classes)}.",
            )


def with_match(
    prediction: dict[str, Any], probabilities: NDArray[np.float64], expected: tuple[str, ...], contract: Contract
) -> dict[str, Any]:
    """Return a prediction with the order check, which then decides.

    Args:
        prediction: as :func:`handler.postprocess.postprocess` returns it.
        probabilities: float64 [C + 1], the outlier's last; they sum to 1.
        expected: names of the ordered categories, each once, at least one.
        contract: the thresholds.
    """
    probability = float(sum(probabilities[contract.classes.index(name)] for name in expected))
    verdict = verdict_of(probability, contract)
    decided = {name: value for name, value in prediction.items() if name not in ("decision", "reason")}
    decided["decision"] = "accept" if verdict == "match" else "review"
    if verdict != "match":
        decided["reason"] = _REASONS[verdict]
    decided["match"] = {"expected": list(expected), "probability": rounded(probability), "verdict": verdict}
    return decided


def verdict_of(probability: float, contract: Contract) -> Verdict:
    """Compare the probability of the ordered categories with the thresholds of the contract."""
    assert contract.match_threshold is not None
    assert contract.mismatch_threshold is not None
    if probability >= contract.match_threshold:
        return "match"
    return "mismatch" if probability < contract.mismatch_threshold else "unsure"
