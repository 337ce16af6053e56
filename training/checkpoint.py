"""Checkpoints: what is shipped (half-precision weights, never a pickle) and what a killed training resumes from."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from handler.network import ResNet18


def save(network: ResNet18, path: Path) -> None:
    """Write the weights as float16 safetensors, through a temporary name."""
    weights = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor.clone()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    temporary = path.with_suffix(".tmp")
    save_file(weights, temporary)
    temporary.replace(path)


def load(network: ResNet18, path: Path) -> None:
    """Read the weights that :func:`save` wrote into a network.

    Raises:
        ValueError: the file holds another network; the message names the first parameter that differs.
    """
    weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    expected = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    for name in sorted(expected.keys() | weights.keys()):
        if name not in weights or name not in expected or weights[name].shape != expected[name].shape:
            raise ValueError(f"{path} is no checkpoint of this network: parameter {name} differs")
    network.load_state_dict(weights, strict=False)


def save_progress(path: Path, state: dict[str, Any]) -> None:
    """Write a training's state so that it can resume, through a temporary name."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def load_progress(path: Path) -> dict[str, Any] | None:
    """Read a training's state; None where there is none."""
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state
