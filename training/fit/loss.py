"""What training minimises."""

import torch
from torch import Tensor


def set_valued_loss(logits: Tensor, accepts: Tensor, smoothing: float) -> Tensor:
    """Return minus the log of the summed probability of everything that counts as right, float [N].

    A label that is coarser than our categories (shoes: any footwear) asks only that the probability goes
    somewhere among them. Smoothing spreads a share evenly: one look-alike group in eight of the catalog
    disagrees on its label, so certainty would be learned wrongly.

    Args:
        logits: float [N, C].
        accepts: bool [N, C], at least one true a row.
        smoothing: share of the loss that wants every class alike.
    """
    log_probability = torch.log_softmax(logits, dim=1)
    right = torch.logsumexp(log_probability.masked_fill(~accepts, -torch.inf), dim=1)
    return -((1 - smoothing) * right + smoothing * log_probability.mean(dim=1))


def distillation_loss(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy between a teacher's softened answers and the network's, as a mean.

    The answers of a teacher say how alike two categories are, which a label does not. Multiplied by the squared
    temperature, its gradient stays of the size of a label's.
    Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015, section 2.

    Args:
        logits: float [N, C].
        teacher_logits: float [N, C], of the same photos under the same augmentation.
        temperature: above 1 the small probabilities count for more.
    """
    answers = torch.softmax(teacher_logits / temperature, dim=1)
    return -(answers * torch.log_softmax(logits / temperature, dim=1)).sum(dim=1).mean() * temperature**2
