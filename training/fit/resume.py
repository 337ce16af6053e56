"""What a killed training resumes from."""

from pathlib import Path
from typing import Any

import torch

FILE_NAME = "progress.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write a training's state, through a temporary name."""
    temporary = folder / "progress.tmp"
    torch.save(state, temporary)
    temporary.replace(folder / FILE_NAME)


def load(folder: Path) -> dict[str, Any] | None:
    """Read a training's state; None where there is none."""
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)  # it may go on elsewhere
    return state
