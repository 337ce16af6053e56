"""The loss functions of training."""

import torch
from torch import Tensor


def set_valued_loss(logits: Tensor, accepts: Tensor, smoothing: float) -> Tensor:
    """Return the negative log of the summed probability of all accepted classes, float [N].

    A label that is coarser than our categories (shoes: any footwear) does not say how to divide the probability among
    them. Label smoothing is needed because one look-alike group in eight of the catalog disagrees on its label.

    Args:
        logits: float [N, C].
        accepts: bool [N, C], at least one true a row.
        smoothing: share of the loss that is spread over all classes.
    """
    log_probability = torch.log_softmax(logits, dim=1)
    right = torch.logsumexp(log_probability.masked_fill(~accepts, -torch.inf), dim=1)
    return -((1 - smoothing) * right + smoothing * log_probability.mean(dim=1))


def distillation_loss(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Return the mean cross-entropy between the softened predictions of a teacher and of the network.

    A teacher's prediction says how similar two categories are; a label does not. The factor of the squared temperature
    keeps the gradient at the size of a label's.
    Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015, section 2.

    Args:
        logits: float [N, C].
        teacher_logits: float [N, C], of the same photos under the same augmentation.
        temperature: above 1 it gives small probabilities more weight.
    """
    targets = torch.softmax(teacher_logits / temperature, dim=1)
    return -(targets * torch.log_softmax(logits / temperature, dim=1)).sum(dim=1).mean() * temperature**2
