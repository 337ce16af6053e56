"""Random augmentation of a whole batch of photos.

Every operation works on the whole batch, on the generator's device. The number of photos that an operation changes is
fixed and only their choice is random, so a GPU never waits for a value to reach the host.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(photos: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return the batch with random backgrounds, positions, colours, blur and covered rectangles.

    Args:
        photos: uint8 [N, S, S, 3], RGB.
        size: side of the result, pixels.
        generator: source of randomness, on the photos' device.

    Returns:
        float32 [N, 3, size, size], RGB on [0, 1].
    """
    x = photos.permute(0, 3, 1, 2).to(torch.float32) / 255
    x = paste_on_background(x, generator)
    x = _random_affine(x, size, generator)
    x = _colour_jitter(x, generator)
    x = _blur(x, generator)
    return _erase(x, generator)


def paste_on_background(x: Tensor, generator: torch.Generator) -> Tensor:
    """Replace the white background of some studio photos by a floor or a bed, as in phone photos, and zoom out.

    A pixel is background if all pixels between it and an edge, along its row or its column, are white. So a white shirt
    with a darker outline keeps its white. Photos without a white edge stay unchanged.

    Args:
        x: float [N, 3, H, W], RGB on [0, 1].
        generator: on the batch's device.
    """
    chosen = _some(0.4, len(x), generator)
    n, (height, width) = len(chosen), x.shape[-2:]
    if n == 0:
        return x
    item = _zoom_out(x[chosen], generator)
    white = _white(item)
    ground = torch.zeros_like(white)
    for axis in (2, 3):
        ground = torch.maximum(ground, white.cumprod(dim=axis))
        ground = torch.maximum(ground, white.flip(axis).cumprod(dim=axis).flip(axis))
    ground = F.max_pool2d(ground, 3, stride=1, padding=1)  # outlines are white a little inwards
    ground = F.avg_pool2d(ground, 3, stride=1, padding=1, count_include_pad=False)
    reach = width // 12
    near = F.avg_pool2d(1 - ground, 2 * reach + 1, stride=1, padding=reach)
    shade = near * _uniform(0, 0.7, n, generator).view(n, 1, 1, 1)
    photographed, usable = _real_backgrounds(x, n, generator)
    real = usable & (_uniform(0, 1, n, generator).view(n, 1, 1, 1) < 0.7)
    picture = torch.where(real, photographed, _drawn_backgrounds(n, height, width, generator)) * (1 - shade)
    laid = torch.where(_edge(white) > 0.5, torch.lerp(item, picture.clamp(0, 1), ground), x[chosen])
    return x.index_copy(0, chosen, laid)


def mixup(x: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blend a share of the batch with the next photo of the batch, with random weights.

    A network cannot memorise a label for a blend of two photos, but a teacher can still judge it.
    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017. With a teacher: Beyer et al., Knowledge
    distillation: A good teacher is patient and consistent, 2021.

    Args:
        x: float [N, C, H, W].
        share: of the batch, 0 to 1.
        generator: on the batch's device.

    Returns:
        The batch, and the weight of each original photo, float [N]; ``x.roll(1, 0)`` has the rest.
    """
    own = _uniform(0, 1, len(x), generator)
    own[round(share * len(x)) :] = 1
    return torch.lerp(x.roll(1, 0), x, own.view(-1, 1, 1, 1)), own


def _uniform(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    return torch.empty(count, device=generator.device).uniform_(low, high, generator=generator)


def _some(share: float, count: int, generator: torch.Generator) -> Tensor:
    """Return the indices of a random share of the batch."""
    return torch.randperm(count, generator=generator, device=generator.device)[: round(share * count)]


def _white(x: Tensor) -> Tensor:
    """Return 1 where a pixel is white and 0 elsewhere, [N, 1, H, W]."""
    return (x.amin(dim=1, keepdim=True) > 0.93).float()


def _edge(white: Tensor) -> Tensor:
    """Return the share of each picture's edge that is white, 0 to 1, [N, 1, 1, 1]."""
    sides = [white[..., 0, :], white[..., -1, :], white[..., :, 0], white[..., :, -1]]
    return torch.cat(sides, dim=-1).mean(dim=-1).view(-1, 1, 1, 1)


def _zoom_out(x: Tensor, generator: torch.Generator) -> Tensor:
    """Zoom out by a factor of up to 2; the edge pixels continue beyond the edge."""
    n = len(x)
    matrix = torch.eye(2, 3, device=x.device) * _uniform(1, 2, n, generator).view(n, 1, 1)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _real_backgrounds(x: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return backgrounds made from a corner of the photos with the least white edges: floors, beds and walls.

    A corner continues as its own mirror image.

    Returns:
        The backgrounds, float [count, 3, H, W]; and bool [count, 1, 1, 1], true where the photo has no white edge.
    """
    edge = _edge(_white(x))
    chosen = edge.flatten().argsort()[:count][torch.randperm(count, generator=generator, device=x.device)]
    source = x[chosen]
    for axis in (2, 3):
        mirrored = _uniform(0, 1, count, generator).view(count, 1, 1, 1) < 0.5
        source = torch.where(mirrored, source.flip(axis), source)
    corner = source[..., : x.shape[-2] // 4, : x.shape[-1] // 4]
    matrix = torch.eye(2, 3, device=x.device) * _uniform(1, 3, count, generator).view(count, 1, 1)
    grid = F.affine_grid(matrix, [count, 3, *x.shape[-2:]], align_corners=False)
    ground = F.grid_sample(corner, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return ground, edge[chosen] < 0.5


def _drawn_backgrounds(count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Return backgrounds of blurred patches of colour with some grain."""
    contrast = _uniform(0.05, 0.6, count, generator).view(count, 1, 1, 1)
    coarse = _uniform(0, 1, count * 3 * 4 * 4, generator).view(count, 3, 4, 4) * contrast
    level = _uniform(0, 0.6, count * 3, generator).view(count, 3, 1, 1)
    noise = torch.randn(count, 1, height, width, generator=generator, device=generator.device)
    grain = noise * _uniform(0, 0.06, count, generator).view(count, 1, 1, 1)
    return F.interpolate(coarse, size=(height, width), mode="bicubic") + level + grain


def _random_affine(x: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Flip, rotate (mostly a little, sometimes by any angle), scale and shift in one resampling."""
    n = len(x)
    small = _uniform(-15, 15, n, generator)
    any_angle = _uniform(-180, 180, n, generator)
    turned = _uniform(0, 1, n, generator) < 0.1
    angle = torch.where(turned, any_angle, small) * math.pi / 180
    scale = _uniform(0.7, 1.1, n, generator)
    stretch = torch.exp(_uniform(-0.18, 0.18, n, generator))
    flip = torch.where(_uniform(0, 1, n, generator) < 0.5, -1.0, 1.0)
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


def _colour_jitter(x: Tensor, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and white balance."""
    n = len(x)
    brightness = _uniform(0.7, 1.3, n, generator).view(n, 1, 1, 1)
    contrast = _uniform(0.7, 1.3, n, generator).view(n, 1, 1, 1)
    saturation = _uniform(0.5, 1.5, n, generator).view(n, 1, 1, 1)
    tint = _uniform(0.92, 1.08, 3 * n, generator).view(n, 3, 1, 1)
    x = x * brightness * tint
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * contrast + mean
    grey = x.mean(dim=1, keepdim=True)
    return ((x - grey) * saturation + grey).clamp(0, 1)


def _blur(x: Tensor, generator: torch.Generator) -> Tensor:
    """Lower the resolution of a quarter of the batch, to imitate thumbnails and camera shake."""
    factors = (0.35, 0.5, 0.65, 0.8)
    for chosen, factor in zip(_some(0.25, len(x), generator).chunk(len(factors)), factors, strict=False):
        side = round(x.shape[-1] * factor)
        low = F.interpolate(x[chosen], size=(side, side), mode="bilinear", antialias=True)
        x = x.index_copy(0, chosen, F.interpolate(low, size=x.shape[-2:], mode="bilinear"))
    return x


def _erase(x: Tensor, generator: torch.Generator) -> Tensor:
    """Cover a random rectangle of a quarter of the batch with one random colour."""
    n, _, height, width = x.shape
    covered = _uniform(0, 1, n, generator) < 0.25
    tall = (_uniform(0.15, 0.45, n, generator) * height).view(n, 1, 1)
    wide = (_uniform(0.15, 0.45, n, generator) * width).view(n, 1, 1)
    top = _uniform(0, 1, n, generator).view(n, 1, 1) * (height - tall)
    left = _uniform(0, 1, n, generator).view(n, 1, 1) * (width - wide)
    rows = torch.arange(height, device=x.device).view(1, -1, 1)
    columns = torch.arange(width, device=x.device).view(1, 1, -1)
    inside = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
    mask = (inside & covered.view(n, 1, 1)).unsqueeze(1)
    return torch.where(mask, _uniform(0, 1, 3 * n, generator).view(n, 3, 1, 1), x)
