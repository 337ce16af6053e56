"""How sure a share is that was counted on a sample."""

import math

_Z = 1.959963984540054  # the normal distribution's quantile for 95%


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95% interval of a share; honest for small samples and for shares near 0 and 1.

    Args:
        hits: how often.
        trials: of how many, at least 1.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
    """
    share = hits / trials
    centre = (share + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)
