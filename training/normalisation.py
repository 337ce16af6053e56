"""The scale of pixel values that the network learns in; training writes it into the contract."""

import torch
from torch import Tensor

# ImageNet's, so that `--init imagenet` weights see what they were trained on.
# Source: torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms().
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def normalise(photos: Tensor, channels_last_bytes: bool = True) -> Tensor:
    """Return float32 [N, 3, H, W], normalised.

    Args:
        photos: uint8 [N, H, W, 3]; or float [N, 3, H, W] on [0, 1] if ``channels_last_bytes`` is false.
        channels_last_bytes: which of the two it is.
    """
    if channels_last_bytes:
        photos = photos.permute(0, 3, 1, 2).to(torch.float32) / 255
    mean = torch.tensor(MEAN, device=photos.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=photos.device).view(1, 3, 1, 1)
    return (photos - mean) / std
