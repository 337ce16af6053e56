"""What training minimises."""

import torch
from torch import Tensor

_SHARPER = 2.0  # the power that probabilities are raised to


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


def narrowed(teacher_logits: Tensor, accepts: Tensor, whole: Tensor) -> Tensor:
    """Let a teacher choose among what a label accepts, where it accepts several: the rest is out, the likely likelier.

    A label like "shoes" says nothing of which shoes, and a network that learns to be undecided there sends to a person
    what it could tell. The teacher, who learned from finer labels as well, decides.
    Source: sharpened answers within the accepted set, as Lv et al., Progressive Identification of True Labels for
    Partial-Label Learning, 2020, take the network's own.

    Args:
        teacher_logits: float [N, C].
        accepts: bool [N, C].
        whole: bool [N], false for pictures that show something else as well.
    """
    coarse = (whole & (accepts.sum(dim=1) > 1)).unsqueeze(1)
    return torch.where(coarse, (_SHARPER * teacher_logits).masked_fill(~accepts, -torch.inf), teacher_logits)
