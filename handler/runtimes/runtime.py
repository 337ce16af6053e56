"""Choose and load the graph that computes the logits on this machine."""

import logging
import platform
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from handler.contract import Contract

log = logging.getLogger(__name__)

AUTO = "auto"
GRAPHS = ("openvino-int8", "openvino-bf16", "openvino-f16", "openvino-f32", "torch-f16", "torch-f32")
_CPUINFO = Path("/proc/cpuinfo")
# Integer dot products and bfloat16 in hardware. Without them, these graphs are slower than float32.
_INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}
_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}


class Runtime(Protocol):
    """A loaded network.

    Attributes:
        name: the graph, one of ``GRAPHS``.
        device: ``cpu`` or ``cuda:INDEX``.
    """

    name: str
    device: str

    def infer(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            photos: uint8 [N, H, W, 3], RGB, N >= 1.

        Returns:
            logits, float32 [N, C + 1].
        """
        ...


def load(folder: Path, contract: Contract, threads: int, graph: str = AUTO, gpu: int | None = None) -> Runtime:
    """Load the network of an unpacked archive.

    Args:
        folder: the archive's files.
        contract: the network must fit it.
        threads: for one inference on the CPU.
        graph: one of ``GRAPHS``, or ``auto``.
        gpu: index of the accelerator that TorchServe gives this worker; None without an accelerator.

    Raises:
        ValueError: the graph is unknown, or network and contract disagree; the message names both.
    """
    name = choose(gpu) if graph == AUTO else graph
    if name not in GRAPHS:
        raise ValueError(f"model-config.yaml: graph {name!r} is unknown. Use one of {', '.join((AUTO, *GRAPHS))}")
    engine, arithmetic = name.split("-")
    if engine == "torch":
        from handler.runtimes.torch_runtime import TorchRuntime

        return TorchRuntime(folder, contract, threads, arithmetic, gpu)
    from handler.runtimes.openvino_runtime import OpenVinoRuntime

    return OpenVinoRuntime(folder, contract, threads, arithmetic)


def choose(gpu: int | None, machine: str | None = None, cpu_flags: frozenset[str] | None = None) -> str:
    """Return the fastest graph for this machine. The accuracy of each is within 0.3 points of the checkpoint's.

    Args:
        gpu: index of the accelerator; None without one.
        machine: processor architecture; default: this one's.
        cpu_flags: instruction sets as Linux names them; default: this machine's.
    """
    if gpu is not None:
        return "torch-f16"
    flags = _cpu_flags() if cpu_flags is None else cpu_flags
    if (machine or platform.machine()) in ("aarch64", "arm64"):
        return "openvino-f16" if "asimdhp" in flags else "openvino-f32"
    if flags & _INT8_FLAGS:
        return "openvino-int8"
    if flags & _BF16_FLAGS:
        return "openvino-bf16"
    return "openvino-f32"


def _cpu_flags() -> frozenset[str]:
    """Return the processor's instruction sets; an empty set if the system does not list them."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = [line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))]
    return frozenset(flags[0]) if flags else frozenset()
