"""Temperature and thresholds, chosen on the tuning rows."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.dataset import Dataset
from training.metrics import class_probabilities, outlier_probability, topk_right, wilson_interval

MOST_WRONG_OF_ACCEPTED = 0.01
_MOST_KNOWN_TAKEN_FOR_UNKNOWN = 0.025
_ONE_SIDED_95 = 1.645


@dataclass(frozen=True)
class Decisions:
    """What turns logits into a decision; the fields of the contract have the same names."""

    temperature: float
    accept_threshold: float
    unknown_threshold: float

    def accepted(self, logits: Tensor) -> Tensor:
        """Return bool [N]: would these photos be accepted unseen? Logits are [N, C + 1]."""
        confidence = class_probabilities(logits, self.temperature).max(dim=1).values
        outlier = outlier_probability(logits, self.temperature)
        return (confidence >= self.accept_threshold) & (outlier < self.unknown_threshold)


def calibrate(logits: Tensor, tuning: Dataset) -> Decisions:
    """Choose the temperature by likelihood, then the thresholds by what the returns desk can bear.

    Args:
        logits: float [N, C + 1] of the tuning rows.
        tuning: the rows, both domains.
    """
    inside = ~tuning.accepts[:, -1]
    known, accepts = logits[inside], tuning.accepts[inside]
    temperature = _best_temperature(known, accepts)
    outlier = outlier_probability(known, temperature)
    unknown_threshold = float(outlier.quantile(1 - _MOST_KNOWN_TAKEN_FOR_UNKNOWN))
    studio = torch.tensor([row.domain == "catalog" for row in tuning.rows])[inside]
    chosen = studio & (outlier < unknown_threshold)
    accept_threshold = _accept_threshold(
        class_probabilities(known[chosen], temperature).max(dim=1).values,
        topk_right(known[chosen], accepts[chosen], 1),
    )
    return Decisions(*(float(f"{value:.6g}") for value in (temperature, accept_threshold, unknown_threshold)))


def _best_temperature(logits: Tensor, accepts: Tensor) -> float:
    """Return the temperature of least negative log-likelihood, on a grid of 0.5% steps.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    candidates = torch.exp(torch.arange(-1.5, 1.5, 0.005))
    losses = [
        -torch.log((class_probabilities(logits, float(t)) * accepts[:, :-1]).sum(dim=1).clamp(min=1e-12)).mean()
        for t in candidates
    ]
    return float(candidates[int(torch.stack(losses).argmin())])


def _accept_threshold(confidence: Tensor, right: Tensor) -> float:
    """Return the lowest confidence at which the upper 95% bound of the wrong share is at most 1%.

    A share measured on the rows that chose the threshold flatters it, so the bound counts, not the share. (Searching
    over all thresholds flatters the bound a little too; the test rows tell by how much.) Where no threshold
    holds the promise, the strictest is returned: then next to nothing is accepted.
    """
    ordered, order = confidence.sort(descending=True)
    wrong = (~right[order]).cumsum(dim=0).tolist()
    holding = [
        float(ordered[position])
        for position, count in enumerate(wrong)
        if wilson_interval(count, position + 1, _ONE_SIDED_95)[1] <= MOST_WRONG_OF_ACCEPTED
    ]
    return min(holding, default=1.0)
