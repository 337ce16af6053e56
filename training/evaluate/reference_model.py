"""The checkpoint that an archive was made of, in full precision: what serving is held against."""

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
from training.data.samples import Row

_DECODERS = 2


class CheckpointBeside:
    """The float32 network of a model folder; photos are decoded in full.

    Args:
        folder: holds ``checkpoint.safetensors`` and ``contract.json``.

    Raises:
        FileNotFoundError, ValueError: as :func:`handler.checkpoint.load`.
    """

    def __init__(self, folder: Path) -> None:
        self.contract = contracts.load(folder)
        network = ResNet18(self.contract.outputs)
        checkpoint.load(network, folder / checkpoint.FILE_NAME)
        self._network = ServedNetwork(network, self.contract.mean, self.contract.std).eval()
        self._pool = ThreadPoolExecutor(_DECODERS)

    @torch.inference_mode()
    def likeliest(self, rows: list[Row]) -> list[str]:
        """Return the likeliest category of each row.

        Raises:
            ValueError: as :func:`training.data.dataset.picture`.
        """
        if not rows:
            return []
        pixels = self._pool.map(lambda row: preprocess(picture(row), self.contract.input_size), rows)
        logits = self._network(torch.from_numpy(np.stack(list(pixels))))
        return [self.contract.classes[index] for index in logits[:, :-1].argmax(dim=1).tolist()]


def of_same_version(folder: Path, described: dict[str, Any]) -> CheckpointBeside | None:
    """Load the checkpoint of a model folder if it has the version of what is served; None where it has not.

    Args:
        folder: may lack a model.
        described: what the archive says of itself.
    """
    if not (folder / contracts.FILE_NAME).is_file():
        return None
    if contracts.load(folder).model_version != described["model_version"]:
        return None
    return CheckpointBeside(folder)
