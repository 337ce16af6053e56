"""Read the handler's settings from ``model-config.yaml``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from handler.decoding.decode import Limits


@dataclass(frozen=True)
class HandlerSettings:
    """The handler's own keys of ``model-config.yaml``.

    Attributes:
        limits: the most that a photo may cost.
        threads: threads for decoding and for the network.
        graph: the graph that computes the logits: a name in :data:`handler.runtimes.runtime.GRAPHS`, or ``auto``.
    """

    limits: Limits
    threads: int
    graph: str


def from_yaml(config: Mapping[str, Any]) -> HandlerSettings:
    """Build the settings from the parsed file.

    Raises:
        ValueError: a key is missing; the message names it.
    """
    try:
        limits = config["limits"]
        return HandlerSettings(
            limits=Limits(**{field.name: int(limits[field.name]) for field in fields(Limits)}),
            threads=int(config["threads"]) or _cores(),
            graph=str(config["graph"]),
        )
    except KeyError as missing:
        raise ValueError(f"model-config.yaml: key {missing} is missing") from None


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
