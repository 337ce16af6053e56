"""Normalisation of pixel values; training writes its constants into the contract."""

from functools import cache

import torch
from torch import Tensor

# ImageNet's constants, because the ImageNet weights were trained with them.
# Source: torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms().
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def normalise(photos: Tensor, channels_last_bytes: bool = True) -> Tensor:
    """Return normalised photos, float32 [N, 3, H, W].

    Args:
        photos: uint8 [N, H, W, 3]; or float [N, 3, H, W] on [0, 1] if ``channels_last_bytes`` is false.
        channels_last_bytes: which of the two layouts ``photos`` has.
    """
    if channels_last_bytes:
        photos = photos.permute(0, 3, 1, 2).to(torch.float32) / 255
    mean, std = _scale(photos.device)
    return (photos - mean) / std


@cache  # copying a constant to a GPU each time would make every step wait
def _scale(device: torch.device) -> tuple[Tensor, Tensor]:
    return tuple(torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))  # type: ignore[return-value]
