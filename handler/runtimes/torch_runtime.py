"""Run the network in torch: on an accelerator, or where OpenVINO does not run."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from handler import checkpoint
from handler.contract import Contract
from handler.network import ResNet18, ServedNetwork

_ROWS_AT_ONCE = {"cpu": 16, "cuda": 256}  # bounds memory when one request carries many photos


class TorchRuntime:
    """The checkpoint as a torch module.

    Args:
        folder: holds ``checkpoint.safetensors``.
        contract: the checkpoint must fit it.
        threads: for one inference on the CPU.
        arithmetic: ``f16`` (accelerators only) or ``f32``.
        gpu: index of the accelerator; None for the CPU.

    Raises:
        ValueError: the checkpoint does not fit the contract, or f16 is requested on a CPU.
    """

    def __init__(self, folder: Path, contract: Contract, threads: int, arithmetic: str, gpu: int | None) -> None:
        if arithmetic == "f16" and gpu is None:
            raise ValueError("model-config.yaml: graph torch-f16 needs an accelerator; use auto or torch-f32")
        network = ResNet18(contract.outputs)
        checkpoint.load(network, folder / checkpoint.FILE_NAME)
        self.name = f"torch-{arithmetic}"
        self.device = "cpu" if gpu is None else f"cuda:{gpu}"
        self._dtype = torch.float16 if arithmetic == "f16" else torch.float32
        if gpu is None:
            torch.set_num_threads(threads)
        served = ServedNetwork(network, contract.mean, contract.std).eval()
        self._network = served.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._at_once = _ROWS_AT_ONCE["cpu" if gpu is None else "cuda"]

    @torch.inference_mode()
    def infer(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network; see :meth:`handler.runtimes.runtime.Runtime.infer`."""
        kind = torch.device(self.device).type
        results = []
        for part in torch.from_numpy(photos).split(self._at_once):
            with torch.autocast(kind, torch.float16, enabled=self._dtype is torch.float16):
                results.append(self._network(part.to(self.device)))
        logits: NDArray[np.float32] = torch.cat(results).float().cpu().numpy()
        return logits
