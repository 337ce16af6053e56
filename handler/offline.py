"""The handler without TorchServe: what export, evaluation and benchmarks hand it in the engine's place.

A worker never imports this.
"""

from pathlib import Path
from typing import Any

import yaml

from handler.decoding.decode import Limits
from handler.settings import from_yaml


class Context:
    """The part of TorchServe's context that the handler uses.

    Args:
        folder: an unpacked archive.
        changes: keys of ``model-config.yaml`` with other values.

    Attributes:
        statuses: what each row of the newest server batch was answered with, as HTTP has it.
    """

    def __init__(self, folder: Path, **changes: Any) -> None:
        config = _config(folder)
        self.system_properties = {"model_dir": str(folder), "gpu_id": None}
        self.model_yaml_config: dict[str, Any] = {**config, **changes}
        self.metrics = None  # there is no engine to report to
        self.statuses: dict[int, int] = {}

    def get_all_request_header(self, _index: int) -> dict[str, str]:
        """Say that photos come as clients of ours send them."""
        return {"Content-Type": "application/octet-stream"}

    def set_response_status(self, code: int, _phrase: str, index: int) -> None:
        """Keep a row's status."""
        self.statuses[index] = code

    def set_response_content_type(self, index: int, value: str) -> None:
        """Take what TorchServe would send."""

    def set_response_header(self, index: int, name: str, value: str) -> None:
        """Likewise."""


def shipped_limits() -> Limits:
    """Return what a photo may cost by the ``model-config.yaml`` beside this file, which export packs."""
    return from_yaml(_config(Path(__file__).parent)).limits


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((folder / "model-config.yaml").read_text(encoding="utf-8"))
    return config
