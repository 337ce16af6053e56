"""What training minimises."""

import torch
from torch import Tensor


def set_valued_loss(logits: Tensor, accepts: Tensor, smoothing: float = 0.05) -> Tensor:
    """Return minus the log of the summed probability of everything that counts as right, as a mean.

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
    return -((1 - smoothing) * right + smoothing * log_probability.mean(dim=1)).mean()
