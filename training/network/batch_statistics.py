"""Re-estimate the running statistics of batch normalisation on photos as the service sees them.

During training the statistics come from augmented photos, half of them blends of two, and from changing weights. The
service sees neither. Re-estimation was worth 1.5 points of top-1 on studio photos of model 3.0.0, and 2.1 on phone
photos.
"""

import torch
from torch import Tensor, nn

from training.network.normalisation import normalise

_BATCH_SIZE = 250  # at least: the variance of one batch must represent all photos


@torch.no_grad()
def reestimate_statistics(network: nn.Module, photos: Tensor) -> None:
    """Set the running statistics, in place, to their mean over batches of these photos.

    Source: Wu and Johnson, Rethinking "Batch" in BatchNorm, 2021, section 3.

    Args:
        network: trained; it is in evaluation mode afterwards.
        photos: uint8 [N, H, W, 3], RGB, not augmented.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a cumulative mean: all batches have the same weight
    network.train()
    for part in photos.chunk(max(1, len(photos) // _BATCH_SIZE)):
        network(normalise(part))
    network.eval()
