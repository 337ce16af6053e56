"""Temperature and thresholds of a contract, chosen on the tuning rows."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from training.data.dataset import Dataset
from training.evaluate.metrics import class_probabilities, outlier_probability, top1_right
from training.match_calibration import calibrate_match

MOST_WRONG_OF_ACCEPTED = 0.01
# Most of these photos would be reviewed anyway, because of their low confidence. Compared with 0.05, one or two points
# fewer of the tuning rows are accepted, and about one point more of the items outside the classes is reviewed. Those
# items are of kinds that training knows; of other kinds more are accepted.
_MOST_KNOWN_TAKEN_FOR_UNKNOWN = 0.08
_PENALTY = 0.01  # keeps the curve's weights finite where all photos are right


@dataclass(frozen=True)
class Decisions:
    """The numbers that turn logits into a decision; the fields of the contract have the same names."""

    temperature: float
    accept_threshold: float
    unknown_threshold: float
    match_threshold: float
    mismatch_threshold: float
    match_threshold_range: tuple[float, float]

    def accepted(self, logits: Tensor) -> Tensor:
        """Return bool [N], true for photos that are accepted without review; logits are [N, C + 1]."""
        confidence = class_probabilities(logits, self.temperature).max(dim=1).values
        outlier = outlier_probability(logits, self.temperature)
        return (confidence >= self.accept_threshold) & (outlier < self.unknown_threshold)


def calibrate(logits: Tensor, tuning: Dataset) -> Decisions:
    """Choose the temperature by likelihood, then the thresholds by the error rates that they promise.

    Args:
        logits: float [N, C + 1] of the tuning rows.
        tuning: the rows, both domains.
    """
    inside = ~tuning.accepts[:, -1]
    known, accepts = logits[inside], tuning.accepts[inside]
    temperature = _best_temperature(known, accepts)
    outlier = outlier_probability(known, temperature)
    unknown_threshold = float(outlier.quantile(1 - _MOST_KNOWN_TAKEN_FOR_UNKNOWN))
    studio = torch.tensor([sample.domain == "studio" for sample in tuning.samples])[inside]
    chosen = studio & (outlier < unknown_threshold)
    accept_threshold = _accept_threshold(
        class_probabilities(known[chosen], temperature).max(dim=1).values,
        top1_right(known[chosen], accepts[chosen]),
    )
    return Decisions(
        float(f"{temperature:.6g}"),
        float(f"{accept_threshold:.6g}"),
        float(f"{unknown_threshold:.6g}"),
        **asdict(calibrate_match(logits, tuning, temperature)),
    )


def _best_temperature(logits: Tensor, accepts: Tensor) -> float:
    """Return the temperature with the least negative log-likelihood, on a grid of 0.5% steps.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    candidates = torch.exp(torch.arange(-1.5, 1.5, 0.005))
    losses = [
        -torch.log((class_probabilities(logits, float(t)) * accepts[:, :-1]).sum(dim=1).clamp(min=1e-12)).mean()
        for t in candidates
    ]
    return float(candidates[int(torch.stack(losses).argmin())])


def _accept_threshold(confidence: Tensor, right: Tensor) -> float:
    """Return the lowest confidence at which the accepted photos keep the promise, one standard error included.

    The number of wrong photos above a threshold is small, and some of them have a wrong label. So the share of wrong
    photos is not counted: it comes from a curve, fitted to all photos, of the probability of a wrong prediction at each
    confidence. Where no threshold keeps the promise it is 1, so that next to nothing is accepted.
    """
    wrong = _wrong_probability(confidence, right)
    ordered, order = confidence.sort(descending=True)
    accepted = torch.arange(1, len(ordered) + 1)
    share = wrong[order].cumsum(dim=0) / accepted
    error = torch.sqrt(MOST_WRONG_OF_ACCEPTED * (1 - MOST_WRONG_OF_ACCEPTED) / accepted)
    holding = ordered[share + error <= MOST_WRONG_OF_ACCEPTED]
    return float(holding.min()) if len(holding) else 1.0


def _wrong_probability(confidence: Tensor, right: Tensor) -> Tensor:
    """Return the probability of a wrong prediction, float [N], by a logistic regression on the confidence's log-odds.

    Source: Platt, Probabilistic Outputs for Support Vector Machines, 1999, with a square added: a model that learned
    from soft targets is rarely certain, and then nearly always right.
    """
    # Confidence is capped at 99.9%: one wrong label at the very end would bend the curve.
    log_odds = torch.logit(confidence.double(), eps=1e-3) / 4  # about -1 to 2, so that one penalty fits all terms
    terms = torch.stack([torch.ones_like(log_odds), log_odds, log_odds**2], dim=1)
    weights = torch.zeros(3, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        likelihood = nn.functional.binary_cross_entropy_with_logits(terms @ weights, (~right).double(), reduction="sum")
        penalized: Tensor = likelihood + _PENALTY * weights.square().sum()
        penalized.backward()
        return penalized

    optimizer.step(loss)
    return torch.sigmoid(terms @ weights.detach()).float()
