"""A run folder belongs to one training: its settings, its start and its data."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.data.samples import Row

_FINISHED = "finished.txt"


def claim(run: Path, identity: dict[str, Any], read: Sequence[Row]) -> None:
    """Record what a run folder trains.

    Args:
        run: the folder; made where there is none.
        identity: settings and start, as JSON takes them.
        read: the rows, of all parts.

    Raises:
        ValueError: it holds another training, which resuming would mix up with this one, or one that has written its
            model, which would get a second version.
    """
    if (finished := run / _FINISHED).exists():
        raise ValueError(f"{run} {finished.read_text(encoding='utf-8').strip()}; name another with RUN=FOLDER")
    run.mkdir(parents=True, exist_ok=True)
    path = run / "training.json"
    text = json.dumps({**identity, "data": _rows_digest(read)}, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ValueError(f"{run} holds a training with other settings, start or data; name another with RUN=FOLDER")
    path.write_text(text, encoding="utf-8")


def finish(run: Path, model_version: str, out: Path) -> None:
    """Record that a run folder's training has written its model."""
    (run / _FINISHED).write_text(f"has written model {model_version} into {out}\n", encoding="utf-8")


def file_digest(path: Path) -> str:
    """Return what tells one file from another."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _rows_digest(read: Sequence[Row]) -> str:
    digest = hashlib.sha256()
    for row in read:
        digest.update(f"{row.domain} {row.key} {row.part} {row.accepts}\n".encode())
    return digest.hexdigest()
