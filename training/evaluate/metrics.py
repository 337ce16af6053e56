"""Probabilities, accuracy and calibration error from logits."""

import math

import torch
from torch import Tensor


def class_probabilities(logits: Tensor, temperature: float) -> Tensor:
    """Return the calibrated probabilities of the classes, float [N, C], from logits [N, C + 1]."""
    return torch.softmax(logits[:, :-1] / temperature, dim=1)


def outlier_probability(logits: Tensor, temperature: float) -> Tensor:
    """Return the probability of the outlier output, float [N], from logits [N, C + 1]."""
    return torch.softmax(logits / temperature, dim=1)[:, -1]


def top1_right(logits: Tensor, accepts: Tensor) -> Tensor:
    """Return bool [N]: is the most probable of the C classes an accepted one? The outlier output does not count."""
    best = logits[:, :-1].argmax(dim=1, keepdim=True)
    return accepts[:, :-1].gather(1, best).squeeze(1)


def expected_calibration_error(confidence: Tensor, right: Tensor, bins: int = 15) -> float:
    """Return the mean distance between confidence and accuracy over equal-width bins, weighted by their rows.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3.
    """
    index = (confidence * bins).long().clamp(max=bins - 1)
    error = 0.0
    for position in range(bins):
        inside = index == position
        if inside.any():
            gap = confidence[inside].mean() - right[inside].float().mean()
            error += abs(float(gap)) * float(inside.float().mean())
    return error


def calibration_error_by_chance(confidence: Tensor, draws: int = 500, seed: int = 1) -> float:
    """Return the 95% quantile of the calibration error of a perfectly calibrated model.

    With few rows, accuracy differs from confidence by chance alone. The quantile is simulated: each photo is right with
    the probability that its confidence states.

    Args:
        confidence: float [N], of the rows that the error was measured on.
        draws: number of simulated measurements.
        seed: of the simulation.
    """
    generator = torch.Generator().manual_seed(seed)
    errors = [
        expected_calibration_error(confidence, torch.rand(len(confidence), generator=generator) < confidence)
        for _ in range(draws)
    ]
    return float(torch.tensor(errors).quantile(0.95))


def wilson_interval(successes: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95% interval of a share; (0, 1) if ``total`` is 0.

    The only one in training. The desk has its own (``web/charts.py``), because web must not import training.
    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927.
    """
    if total == 0:
        return 0.0, 1.0
    share = successes / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
