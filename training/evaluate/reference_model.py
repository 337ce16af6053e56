"""The checkpoint in full precision: the reference that the served model is compared with."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handler import checkpoint
from handler import contract as contracts
from handler.network import ResNet18, ServedNetwork
from handler.preprocess import preprocess
from training.data.dataset import picture
from training.data.samples import Sample

_DECODERS = 2


class ReferenceModel:
    """The float32 network of a model folder; photos are decoded at full resolution.

    Args:
        folder: holds ``checkpoint.safetensors`` and ``contract.json``.

    Raises:
        FileNotFoundError, ValueError: the folder holds no valid model.
    """

    def __init__(self, folder: Path) -> None:
        self.contract = contracts.load(folder)
        network = ResNet18(self.contract.outputs)
        checkpoint.load(network, folder / checkpoint.FILE_NAME)
        self._network = ServedNetwork(network, self.contract.mean, self.contract.std).eval()
        self._pool = ThreadPoolExecutor(_DECODERS)

    @torch.inference_mode()
    def top1(self, samples: list[Sample]) -> list[str]:
        """Return the most probable category of each sample.

        Raises:
            ValueError: a photo cannot be decoded.
        """
        if not samples:
            return []
        pixels = self._pool.map(lambda sample: preprocess(picture(sample), self.contract.input_size), samples)
        logits = self._network(torch.from_numpy(np.stack(list(pixels))))
        return [self.contract.classes[index] for index in logits[:, :-1].argmax(dim=1).tolist()]


def of_same_version(folder: Path, described: dict[str, Any]) -> ReferenceModel | None:
    """Load the checkpoint of a model folder if its version is that of the archive; return None otherwise.

    Args:
        folder: of a model, or an empty one.
        described: the archive's description of itself.
    """
    if not (folder / contracts.FILE_NAME).is_file():
        return None
    if contracts.load(folder).model_version != described["model_version"]:
        return None
    return ReferenceModel(folder)
