"""Read and write checkpoints: weights as float16 safetensors. A pickle could run code when it is loaded."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from handler.network import ResNet18

FILE_NAME = "checkpoint.safetensors"
_NOT_STORED = "num_batches_tracked"  # a counter of training steps that the network does not use


def save(network: ResNet18, path: Path) -> None:
    """Write the weights atomically, through a temporary file."""
    weights = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor.clone()
        for name, tensor in network.state_dict().items()
        if not name.endswith(_NOT_STORED)
    }
    temporary = path.with_suffix(".tmp")
    save_file(weights, temporary)
    temporary.replace(path)


def load(network: ResNet18, path: Path) -> None:
    """Load the weights of a file that :func:`save` wrote into a network.

    Raises:
        FileNotFoundError: the file is missing; the message says how to train one.
        ValueError: the file is damaged or holds another network; the message names the first parameter that differs.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Train one with `make train DATA=FOLDER`.")
    try:
        weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    expected = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(_NOT_STORED)}
    for name in sorted(expected.keys() | weights.keys()):
        if name not in weights or name not in expected or weights[name].shape != expected[name].shape:
            raise ValueError(f"{path} is not a checkpoint of this network: parameter {name} differs")
    network.load_state_dict(weights, strict=False)
