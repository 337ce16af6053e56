"""The weights that a training starts from."""

from pathlib import Path

from handler import checkpoint
from handler.network import ResNet18
from training.fit.resume import file_digest
from training.network.torchvision_shim import import_torchvision

SCRATCH, IMAGENET = "scratch", "imagenet"


def identity_of(start: str) -> str:
    """Return a text that differs for different starts: the name, or the digest of a model's checkpoint.

    Raises:
        FileNotFoundError: the folder of the model holds no checkpoint.
    """
    return start if start in (SCRATCH, IMAGENET) else file_digest(_checkpoint_in(start))


def start_from(network: ResNet18, start: str) -> str:
    """Put the starting weights into a network and return a sentence that names them.

    Args:
        network: changed in place.
        start: ``scratch``, ``imagenet``, or the folder of a model.

    Raises:
        OSError: the ImageNet weights cannot be downloaded; the message says what to do.
        FileNotFoundError: the folder of the model holds no checkpoint.
    """
    if start == SCRATCH:
        return "starting from random weights"
    if start != IMAGENET:
        path = _checkpoint_in(start)
        checkpoint.load(network, path)
        return f"starting from {path}"
    models = import_torchvision()
    try:
        pretrained = models.ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
    except OSError as error:
        raise OSError(
            f"ImageNet weights cannot be downloaded ({error}). Use --set start=scratch, or the folder of a model."
        ) from error
    body = {name: tensor for name, tensor in pretrained.items() if not name.startswith("fc.")}
    network.load_state_dict(body, strict=False)
    return "starting from torchvision's ImageNet weights (IMAGENET1K_V1), with a new last layer"


def _checkpoint_in(folder: str) -> Path:
    path = Path(folder) / checkpoint.FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: start is scratch, imagenet or the folder of a trained model")
    return path
