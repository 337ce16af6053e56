"""Random changes that a photo of the same item might show, for a whole batch at once.

Everything runs on tensors of the whole batch, so two CPU cores spend a tenth of the step on it.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(photos: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return the batch as the network shall see it: moved, lit, blurred and partly covered at random.

    Args:
        photos: uint8 [N, S, S, 3], RGB.
        size: side of the result, pixels.
        generator: source of randomness, on the CPU.

    Returns:
        float32 [N, 3, size, size], RGB on [0, 1].
    """
    x = photos.permute(0, 3, 1, 2).to(torch.float32) / 255
    x = _lay_down(x, generator)
    x = _move(x, size, generator)
    x = _light(x, generator)
    x = _blur(x, generator)
    return _erase(x, generator)


def _uniform(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    return torch.empty(count).uniform_(low, high, generator=generator)


def _lay_down(x: Tensor, generator: torch.Generator) -> Tensor:
    """Put a fifth of the batch on another ground than white, as phone photos show items on floors and beds.

    Ground is what is white all the way to an edge of the picture, along its row or its column: a white shirt keeps
    its own white wherever its outline is darker. Photos without a white edge stay as they are.
    """
    n, _, height, width = x.shape
    chosen = torch.rand(n, generator=generator) < 0.2
    coarse = torch.rand(n, 3, 4, 4, generator=generator) * _uniform(0.05, 0.6, n, generator).view(n, 1, 1, 1)
    level = torch.rand(n, 3, 1, 1, generator=generator) * 0.6
    grain = torch.randn(n, 1, height, width, generator=generator) * _uniform(0, 0.06, n, generator).view(n, 1, 1, 1)
    if not chosen.any():
        return x
    white = (x[chosen].amin(dim=1, keepdim=True) > 0.93).float()
    ground = torch.zeros_like(white)
    for axis in (2, 3):
        ground = torch.maximum(ground, white.cumprod(dim=axis))
        ground = torch.maximum(ground, white.flip(axis).cumprod(dim=axis).flip(axis))
    ground = F.avg_pool2d(ground, 3, stride=1, padding=1, count_include_pad=False)
    picture = F.interpolate(coarse[chosen], size=(height, width), mode="bicubic") + level[chosen] + grain[chosen]
    x = x.clone()
    x[chosen] = torch.lerp(x[chosen], picture.clamp(0, 1), ground)
    return x


def _move(x: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Flip, rotate (mostly a little, sometimes by any angle), crop or shrink, and shift: one resampling."""
    n = len(x)
    small = _uniform(-15, 15, n, generator)
    any_angle = _uniform(-180, 180, n, generator)
    turned = torch.rand(n, generator=generator) < 0.1
    angle = torch.where(turned, any_angle, small) * math.pi / 180
    scale = _uniform(0.7, 1.1, n, generator)
    stretch = torch.exp(_uniform(-0.18, 0.18, n, generator))
    flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    room = (1 - scale).clamp(min=0) + 0.06
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    matrix = torch.stack(
        [
            torch.stack([cos * stretch * flip, -sin / stretch, room * _uniform(-1, 1, n, generator)], dim=1),
            torch.stack([sin * stretch * flip, cos / stretch, room * _uniform(-1, 1, n, generator)], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(matrix, [n, 3, size, size], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _light(x: Tensor, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and white balance."""
    n = len(x)
    brightness = _uniform(0.7, 1.3, n, generator).view(n, 1, 1, 1)
    contrast = _uniform(0.7, 1.3, n, generator).view(n, 1, 1, 1)
    saturation = _uniform(0.5, 1.5, n, generator).view(n, 1, 1, 1)
    tint = torch.empty(n, 3, 1, 1).uniform_(0.92, 1.08, generator=generator)
    x = x * brightness * tint
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * contrast + mean
    grey = x.mean(dim=1, keepdim=True)
    return ((x - grey) * saturation + grey).clamp(0, 1)


def _blur(x: Tensor, generator: torch.Generator) -> Tensor:
    """Lower the resolution of a quarter of the batch, as thumbnails and shaky hands do."""
    chosen = torch.rand(len(x), generator=generator) < 0.25
    if not chosen.any():
        return x
    factor = float(_uniform(0.35, 0.8, 1, generator))
    low = F.interpolate(x[chosen], scale_factor=factor, mode="bilinear", antialias=True)
    x = x.clone()
    x[chosen] = F.interpolate(low, size=x.shape[-2:], mode="bilinear")
    return x


def _erase(x: Tensor, generator: torch.Generator) -> Tensor:
    """Cover a random rectangle of a quarter of the batch with one random colour."""
    n, _, height, width = x.shape
    covered = torch.rand(n, generator=generator) < 0.25
    tall = (_uniform(0.15, 0.45, n, generator) * height).view(n, 1, 1)
    wide = (_uniform(0.15, 0.45, n, generator) * width).view(n, 1, 1)
    top = torch.rand(n, 1, 1, generator=generator) * (height - tall)
    left = torch.rand(n, 1, 1, generator=generator) * (width - wide)
    rows = torch.arange(height).view(1, -1, 1)
    columns = torch.arange(width).view(1, 1, -1)
    inside = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
    mask = (inside & covered.view(n, 1, 1)).unsqueeze(1)
    return torch.where(mask, torch.rand(n, 3, 1, 1, generator=generator), x)
