"""The baseline's classifier: full JPEG decode, 224 pixels, float32 TorchScript, one photo per call.

The weights are random: its speed is measured, never its answers. As a program (see ``main``) it finds the fastest way
to run the graph on this machine, and measures one photo in a process without a server.
"""

import io
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from handler import contract as contracts
from handler.network import ResNet18

MODEL = Path(__file__).resolve().parent.parent / "model"
_SIDE = 224
_MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)  # of ImageNet
_STD = np.array((0.229, 0.224, 0.225), dtype=np.float32)
_TRIALS = 15


def _frozen(traced: Any) -> Any:
    return torch.jit.freeze(traced)


def _optimised(traced: Any) -> Any:
    return torch.jit.optimize_for_inference(traced)


# Name, transformation of the traced network, and memory format.
_GRAPHS: dict[str, tuple[Callable[[Any], Any], torch.memory_format]] = {
    "frozen": (_frozen, torch.contiguous_format),
    "optimised": (_optimised, torch.contiguous_format),
    "frozen, channels last": (_frozen, torch.channels_last),
    "optimised, channels last": (_optimised, torch.channels_last),
}
GRAPHS = tuple(_GRAPHS)


class SeedModel:
    """A classifier of single photos.

    Args:
        graph: one of ``GRAPHS``.
        threads: for one inference.
    """

    def __init__(self, graph: str, threads: int) -> None:
        torch.set_num_threads(threads)
        finish, self._format = _GRAPHS[graph]
        self.classes = contracts.load(MODEL).classes
        torch.manual_seed(0)
        network = ResNet18(len(self.classes)).eval()
        network.to(memory_format=self._format)  # type: ignore[call-overload]  # torch's stubs do not know it
        example = torch.zeros(1, 3, _SIDE, _SIDE).contiguous(memory_format=self._format)
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the baseline's description asks for TorchScript
            self._graph = finish(torch.jit.trace(network, example))
            for _ in range(3):  # the first runs compile
                self._graph(example)

    def classify(self, photo: bytes) -> dict[str, Any]:
        """Return the category and confidence of one photo."""
        logits = self._graph(self._pixels(photo))
        probabilities = torch.softmax(logits, 1)[0]
        best = int(probabilities.argmax())
        return {"predicted_class": self.classes[best], "confidence": float(probabilities[best])}

    def _pixels(self, photo: bytes) -> Tensor:
        with Image.open(io.BytesIO(photo)) as opened:
            small = opened.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
        scaled = (np.asarray(small, dtype=np.float32) / 255 - _MEAN) / _STD
        pixels = torch.from_numpy(scaled).permute(2, 0, 1).unsqueeze(0)
        return pixels.contiguous(memory_format=self._format)


def fastest_graph(photo: bytes, threads: int) -> str:
    """Return the name of the graph that is fastest on this machine."""
    return min(GRAPHS, key=lambda name: _median_ms(SeedModel(name, threads), [photo]))


def _median_ms(model: SeedModel, photos: list[bytes]) -> float:
    times = []
    with torch.inference_mode():
        for number in range(_TRIALS):
            began = time.perf_counter()
            model.classify(photos[number % len(photos)])
            times.append(time.perf_counter() - began)
    return median(times) * 1e3


def main() -> None:
    """Measure the photos of ``THREADS [GRAPH] -- PHOTO...`` and print JSON; without GRAPH, find the fastest."""
    options, photos = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
    threads = int(options[0])
    encoded = [Path(photo).read_bytes() for photo in photos]
    graph = options[1] if len(options) > 1 else fastest_graph(encoded[0], threads)
    print(json.dumps({"graph": graph, "p50_ms": _median_ms(SeedModel(graph, threads), encoded)}))


if __name__ == "__main__":
    main()
