"""How certain a measured share is: 95% confidence intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_Z = 1.959963984540054  # the quantile of the normal distribution for a 95% interval


@dataclass(frozen=True)
class Stratum:
    """A part of a whole, of which a sample was looked at.

    Attributes:
        size: of the part; at least 0.
        hits: how many of the sample count.
        trials: size of the sample; at most ``size`` if nothing was looked at twice.
    """

    size: int
    hits: int
    trials: int


@dataclass(frozen=True)
class Share:
    """A measured share and its 95% interval."""

    share: float
    low: float
    high: float


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95% confidence interval of a share, which also holds for small samples and shares near 0 and 1.

    Args:
        hits: how many of the trials count.
        trials: at least 1.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
    """
    share = hits / trials
    centre = (share + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def share_of(strata: Sequence[Stratum]) -> Share | None:
    """Return the share of a whole whose parts were sampled at different rates; None if a part was not sampled at all.

    Each part counts by its size. With one part, this is the interval of :func:`wilson`.

    Source: the variance estimates recovery of G. Y. Zou and A. Donner, "Construction of confidence limits about effect
    measures: a general approach", Statistics in Medicine 27 (2008), with Wilson's interval of each part.
    """
    parts = [part for part in strata if part.size]
    if not parts or not all(part.trials for part in parts):
        return None
    whole = sum(part.size for part in parts)
    share = below = above = 0.0
    for part in parts:
        weight, value = part.size / whole, part.hits / part.trials
        low, high = wilson(part.hits, part.trials)
        share += weight * value
        below += (weight * (value - low)) ** 2
        above += (weight * (high - value)) ** 2
    return Share(share, max(0.0, share - math.sqrt(below)), min(1.0, share + math.sqrt(above)))
