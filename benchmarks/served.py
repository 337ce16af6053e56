"""The handler as the worker loads it, in this process, without a server."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handler.errors import PhotoError
from handler.image_handler import ImageHandler
from handler.offline import Context
from handler.pipeline import prepare
from handler.request import EncodedPhoto, Request


class ServedModel:
    """The handler of an archive.

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
        prepared = prepare(
            EncodedPhoto(None, photo),
            Request("predict"),
            self._handler.contract,
            self._handler.settings.limits,
            deadline=math.inf,
        )
        if isinstance(prepared, PhotoError):
            raise ValueError(f"the handler refuses a photo of the benchmark: {prepared}")
        return prepared.pixels

    def infer(self, photos: NDArray[np.uint8]) -> None:
        """Run the network."""
        self._handler.runtime.infer(photos)
