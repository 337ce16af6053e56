"""What other accept thresholds would give: photos that need no person, and wrong ones among them."""

from collections.abc import Sequence
from typing import Any

from training.evaluate.outcomes import Outcome, share

THRESHOLDS = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99)


def by_threshold(outcomes: Sequence[Outcome], thresholds: Sequence[float] = THRESHOLDS) -> list[dict[str, Any]]:
    """Return one row for each accept threshold.

    Each row has ``threshold``; ``accepted_share`` of the photos of the 27; ``accepted_n``, their number;
    ``wrong_n``, the wrong ones among these; and ``unknown_accepted``, the number of accepted items outside the 27. None
    for a share of no photos. Photos that the model takes for unknown are reviewed at any threshold.
    """
    known_n = sum(outcome.known for outcome in outcomes)
    rows = []
    for threshold in thresholds:
        accepted = [each for each in outcomes if each.confidence >= threshold and not each.taken_for_unknown]
        known = [outcome for outcome in accepted if outcome.known]
        rows.append(
            {
                "threshold": threshold,
                "accepted_share": share(len(known), known_n),
                "accepted_n": len(known),
                "wrong_n": sum(not outcome.right for outcome in known),
                "unknown_accepted": len(accepted) - len(known),
            }
        )
    return rows
