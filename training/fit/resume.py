"""The run folder: it belongs to one training, and holds what a killed training resumes from."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from training.data.samples import Sample

_PROGRESS = "progress.pt"
_IDENTITY = "training.json"
_FINISHED = "finished.txt"


def claim(run: Path, identity: dict[str, Any], read: Sequence[Sample]) -> None:
    """Reserve a run folder for one training.

    Args:
        run: the folder; it is created if it does not exist.
        identity: settings, start and teachers, as JSON types.
        read: the samples, of all parts.

    Raises:
        ValueError: the folder holds another training, which a resume would mix with this one; or its training has
            already written its model, and the same weights must not get a second version.
    """
    if (finished := run / _FINISHED).exists():
        raise ValueError(f"{run} {finished.read_text(encoding='utf-8').strip()}; name another with RUN=FOLDER")
    run.mkdir(parents=True, exist_ok=True)
    path = run / _IDENTITY
    text = json.dumps({**identity, "data": _digest_of(read)}, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ValueError(f"{run} holds a training with other settings, start or data; name another with RUN=FOLDER")
    path.write_text(text, encoding="utf-8")


def finish(run: Path, result: str) -> None:
    """Record the result of a finished training, for example "has written model 1.0.0 into model"."""
    (run / _FINISHED).write_text(f"{result}\n", encoding="utf-8")


def is_finished(run: Path) -> bool:
    """Return True if the folder's training has finished."""
    return (run / _FINISHED).exists()


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write a training's state atomically."""
    temporary = folder / "progress.tmp"
    torch.save(state, temporary)
    temporary.replace(folder / _PROGRESS)


def load(folder: Path) -> dict[str, Any] | None:
    """Read a training's state onto the CPU, because the resumed training may use another device; None without one."""
    path = folder / _PROGRESS
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest_of(read: Sequence[Sample]) -> str:
    digest = hashlib.sha256()
    for sample in read:
        digest.update(f"{sample.domain} {sample.key} {sample.part} {sample.accepts}\n".encode())
    return digest.hexdigest()
