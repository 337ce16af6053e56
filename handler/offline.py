"""Run the handler without TorchServe, for export, evaluation and benchmarks. A worker never imports this module."""

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
        statuses: HTTP status by row of the latest server batch.
    """

    def __init__(self, folder: Path, **changes: Any) -> None:
        config = _config(folder)
        self.system_properties = {"model_dir": str(folder), "gpu_id": None}
        self.model_yaml_config: dict[str, Any] = {**config, **changes}
        self.metrics = None  # there is no engine that takes metrics
        self.statuses: dict[int, int] = {}

    def get_all_request_header(self, _index: int) -> dict[str, str]:
        """Return the headers of a raw body."""
        return {"Content-Type": "application/octet-stream"}

    def set_response_status(self, code: int, _phrase: str, index: int) -> None:
        """Keep the status of a row."""
        self.statuses[index] = code

    def set_response_content_type(self, index: int, value: str) -> None:
        """Ignore the content type of a row."""

    def set_response_header(self, index: int, name: str, value: str) -> None:
        """Ignore a further header of a row."""


def shipped_limits() -> Limits:
    """Return the limits of the ``model-config.yaml`` that export packs."""
    return from_yaml(_config(Path(__file__).parent)).limits


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((folder / "model-config.yaml").read_text(encoding="utf-8"))
    return config
