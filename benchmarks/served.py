"""The handler as the worker loads it, in this process, without a server."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handler.image_handler import ImageHandler
from handler.offline import Context
from handler.pipeline import PhotoInWork, prepare
from handler.request import EncodedPhoto


class ServedModel:
    """What an archive serves.

    Args:
        archive: the ``.mar``.
        folder: an empty one; the archive is unpacked there.
        changes: keys of ``model-config.yaml`` with other values.
    """

    def __init__(self, archive: Path, folder: Path, **changes: Any) -> None:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        self._handler = ImageHandler()
        self._handler.initialize(Context(folder, **changes))
        self.input_size = self._handler.contract.input_size
        self.graph = self._handler.runtime.name

    def prepare(self, photo: bytes) -> NDArray[np.uint8]:
        """Decode and preprocess one photo as the handler does.

        Raises:
            ValueError: the handler refuses it.
        """
        work = prepare(PhotoInWork(EncodedPhoto(None, photo)), self._handler.contract, self._handler.settings.limits)
        if work.pixels is None:
            raise ValueError(f"the handler refuses a photo of the benchmark: {work.error}")
        return work.pixels

    def infer(self, photos: NDArray[np.uint8]) -> None:
        """Run the network."""
        self._handler.runtime.infer(photos)
