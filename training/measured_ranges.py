"""Measure the activation ranges of a trained network."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from handler.activation_ranges import Ranges
from handler.network import ResNet18, ServedNetwork, fused
from training.network.normalisation import MEAN, STD

# One activation in 100,000 is clipped. A wider range would make the quantisation of all others coarser.
_KEPT_PERCENT = 99.999
_SAMPLED_PER_BATCH = 200_000


@torch.inference_mode()
def measure(network: ResNet18, photos: Tensor, batch_size: int = 64) -> Ranges:
    """Return the range of the input of each convolution, by its name in the network.

    Args:
        network: trained; its normalisations are fused into the convolutions first, as in the served graph.
        photos: uint8 [N, H, W, 3], RGB, not augmented.
        batch_size: photos per inference.
    """
    served = fused(ServedNetwork(network, MEAN, STD))
    received: dict[str, list[Tensor]] = {}
    generator = torch.Generator().manual_seed(1)

    def listen(name: str, module: nn.Module) -> None:
        def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0].flatten()
            chosen = torch.randint(len(values), (min(len(values), _SAMPLED_PER_BATCH),), generator=generator)
            received.setdefault(name, []).append(values[chosen])

        module.register_forward_pre_hook(keep)

    for name, module in served.network.named_modules():
        if isinstance(module, nn.Conv2d):
            listen(name, module)
    for part in photos.split(batch_size):
        served(part)
    return {name: _range_of(torch.cat(values).numpy()) for name, values in received.items()}


def _range_of(values: NDArray[np.float32]) -> tuple[float, float]:
    """Clip the rarest values; the range always includes zero, which unsigned integers need."""
    low, high = np.percentile(values, [100 - _KEPT_PERCENT, _KEPT_PERCENT])
    return float(min(low, 0.0)), float(high)
