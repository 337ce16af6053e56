"""An explanation points at what the network really looked at."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.handler.worker import Worker
from tests.support.drawn_photos import SAMPLES, encoded

PHOTOS = 10
ENOUGH = 8
SHARE = 0.2
RANDOM_MASKS = 8
HEADERS = {"Content-Type": "image/png", "explain": "False"}
EXPLAIN = {**HEADERS, "explain": "True"}


@pytest.fixture(scope="module")
def worker(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Worker:
    return Worker(archive, tmp_path_factory.mktemp("model"))


def covered(photo: Image.Image, mask: np.ndarray) -> dict[str, bytes]:
    """Return a request's fields: the photo with the mask's cells blacked out.

    Not in the photo's mean colour: on white that is the colour of the item, whose outline would stay as it is.
    """
    pixels = np.asarray(photo).copy()
    cells = Image.fromarray(mask.astype(np.uint8) * 255).resize(photo.size, Image.Resampling.NEAREST)
    pixels[np.asarray(cells) > 0] = 0
    return {"body": encoded(Image.fromarray(pixels), "PNG")}


def test_covering_the_hottest_fifth_costs_more_than_covering_any_fifth(worker: Worker) -> None:
    """On 8 of 10 drawings the class loses more probability to the mask of its heat map than to random ones."""
    chance = np.random.default_rng(4)
    won = []
    for path in sorted(SAMPLES.glob("*.jpg"))[:PHOTOS]:
        photo = Image.open(path).convert("RGB")
        explained = worker.predict((covered(photo, np.zeros((1, 1), bool)), EXPLAIN))[0].json()
        heatmap = np.array(explained["heatmap"])
        order = heatmap.ravel().argsort()[::-1]
        masks = []
        for cells in (order, *(chance.permutation(heatmap.size) for _ in range(RANDOM_MASKS))):
            mask = np.zeros(heatmap.size, bool)
            mask[cells[: round(SHARE * heatmap.size)]] = True
            masks.append(mask.reshape(heatmap.shape))
        answers = worker.predict(*((covered(photo, mask), HEADERS) for mask in masks))
        name = explained["predicted_class"]
        left = [next((e["probability"] for e in answer.json()["top"] if e["class"] == name), 0.0) for answer in answers]
        won.append((path.stem, left[0] < float(np.mean(left[1:]))))
    assert len(won) == PHOTOS
    assert sum(lower for _, lower in won) >= ENOUGH, won
