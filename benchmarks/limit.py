"""The physical limit: the throughput of the handler without a server.

``python -m benchmarks.limit ARCHIVE THREADS SECONDS PHOTO...`` prints, as JSON, the best of several batch sizes, each
with one batch at a time and with one batch decoding while another is in the network.
"""

import json
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.served import ServedModel

BATCHES = (8, 16, 32)
LANES = (1, 2)  # batches in flight


def best(model: ServedModel, photos: list[bytes], threads: int, seconds: float) -> dict[str, Any]:
    """Measure each arrangement for some seconds and return the fastest: ``photos_per_second``, ``batch``, ``lanes``."""
    tried = [
        {"photos_per_second": _rate(model, photos, threads, seconds, batch, lanes), "batch": batch, "lanes": lanes}
        for batch in BATCHES
        for lanes in LANES
    ]
    return max(tried, key=lambda arrangement: float(arrangement["photos_per_second"]))


def _rate(model: ServedModel, photos: list[bytes], threads: int, seconds: float, batch: int, lanes: int) -> float:
    """Return the photos per second of one arrangement."""
    network = threading.Lock()  # one inference at a time uses all cores
    began = time.perf_counter()

    def lane(pool: ThreadPoolExecutor, coming: list[bytes]) -> int:
        classified = 0
        source = cycle(coming)
        while time.perf_counter() < began + seconds:
            pixels = np.stack(list(pool.map(model.prepare, islice(source, batch))))
            with network:
                model.infer(pixels)
            classified += batch
        return classified

    with ThreadPoolExecutor(threads) as pool, ThreadPoolExecutor(lanes) as runners:
        running = [runners.submit(lane, pool, photos[number:] + photos[:number]) for number in range(lanes)]
        classified = sum(future.result() for future in running)
        return classified / (time.perf_counter() - began)


def main() -> None:
    """Read the command line, measure, print."""
    archive, threads, seconds, *paths = sys.argv[1:]
    photos = [Path(path).read_bytes() for path in paths]
    with tempfile.TemporaryDirectory(prefix="limit-") as folder:
        print(json.dumps(best(ServedModel(Path(archive), Path(folder)), photos, int(threads), float(seconds))))


if __name__ == "__main__":
    main()
