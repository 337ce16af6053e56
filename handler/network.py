"""ResNet-18 with the parameter names of torchvision, without torchvision.

Training, export and the torch runtime share this definition, because the service must run where torchvision is not
installed. ``tests/unit/training/test_network.py`` compares it with torchvision's own.

Source: He et al., Deep Residual Learning for Image Recognition, 2015, table 1, 18-layer column.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map float [N, inputs, H, W] to float [N, outputs, H / stride, W / stride]."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + self.downsample(x))


class ResNet18(nn.Module):
    """ResNet-18 for RGB photos of any size from 32 pixels up.

    Args:
        outputs: logits per photo.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, 1)
        self.layer2 = _stage(64, 128, 2)
        self.layer3 = _stage(128, 256, 2)
        self.layer4 = _stage(256, 512, 2)
        self.fc = nn.Linear(512, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised float [N, 3, H, W] to logits, float [N, outputs]."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


class ServedNetwork(nn.Module):
    """The network as it is served: bytes in, logits out.

    Args:
        network: a trained network.
        mean: per channel, RGB, on pixels scaled to [0, 1].
        std: per channel, RGB, on pixels scaled to [0, 1].
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: ResNet18, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("scale", 1 / (255 * torch.tensor(std)).reshape(1, 3, 1, 1))
        self.register_buffer("shift", (-torch.tensor(mean) / torch.tensor(std)).reshape(1, 3, 1, 1))

    def forward(self, photos: Tensor) -> Tensor:
        """Map uint8 [N, H, W, 3], RGB, to logits, float32 [N, outputs]."""
        logits: Tensor = self.network(photos.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift)
        return logits


def fused(served: ServedNetwork) -> ServedNetwork:
    """Return a copy with each batch normalisation fused into its convolution: the same output for less work."""
    copy = deepcopy(served).eval()
    body = copy.network
    body.conv1, body.bn1 = _fused_pair(body.conv1, body.bn1), nn.Identity()
    for stage in (body.layer1, body.layer2, body.layer3, body.layer4):
        for block in stage.children():
            assert isinstance(block, BasicBlock)
            block.conv1, block.bn1 = _fused_pair(block.conv1, block.bn1), nn.Identity()
            block.conv2, block.bn2 = _fused_pair(block.conv2, block.bn2), nn.Identity()
            if isinstance(block.downsample, nn.Sequential):
                block.downsample = nn.Sequential(_fused_pair(*block.downsample))
    return copy


def _fused_pair(convolution: nn.Conv2d, normalisation: nn.Module) -> nn.Conv2d:
    assert isinstance(normalisation, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, normalisation)


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))
