"""Make ``import torchvision`` work beside a CPU build of torch.

The registry's torchvision is built against CUDA; next to a CPU torch its compiled operators do not load, and
then its import fails while it looks up two operator schemas (``torchvision::nms``, ``torchvision::qnms``).
Declaring those schemas beforehand is enough for its Python parts: models, weights, transforms. The operators
themselves stay unusable, and nothing here needs them.
"""

from importlib import import_module
from types import ModuleType

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None  # the schemas vanish with this object


def import_torchvision() -> ModuleType:
    """Import torchvision's models, declaring the missing operator schemas only when it needs them.

    Raises:
        ImportError: torchvision is not installed; the message names the package to install.
    """
    global _library
    try:
        return import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    except ImportError as error:
        raise ImportError("torchvision is missing: run `python -m tools.install training`") from error
    _library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        _library.define(schema)
    return import_module("torchvision.models")
