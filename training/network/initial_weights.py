"""Where a training starts from."""

from pathlib import Path
from typing import Literal

from handler import checkpoint
from handler.network import ResNet18
from training.fit import run_folder
from training.network.torchvision_shim import import_torchvision

Init = Literal["scratch", "imagenet", "checkpoint"]


def identity_of(init: Init, model_folder: Path) -> str:
    """Return what tells one start from another: of a checkpoint, its digest."""
    return run_folder.file_digest(model_folder / checkpoint.FILE_NAME) if init == "checkpoint" else init


def start_from(network: ResNet18, init: Init, model_folder: Path) -> str:
    """Put the starting weights into a network and say which they are.

    Args:
        network: changed in place.
        init: where to start.
        model_folder: where the checkpoint to go on from lies.

    Raises:
        OSError: the ImageNet weights cannot be downloaded; the message says what to do.
        FileNotFoundError: there is no checkpoint to go on from.
    """
    if init == "scratch":
        return "starting from random weights"
    if init == "checkpoint":
        path = model_folder / checkpoint.FILE_NAME
        checkpoint.load(network, path)
        return f"starting from {path}"
    models = import_torchvision()
    try:
        pretrained = models.ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
    except OSError as error:
        raise OSError(
            f"ImageNet weights cannot be downloaded ({error}). Use --init scratch, or --init checkpoint."
        ) from error
    body = {name: tensor for name, tensor in pretrained.items() if not name.startswith("fc.")}
    network.load_state_dict(body, strict=False)
    return "starting from torchvision's ImageNet weights (IMAGENET1K_V1), with a new last layer"
