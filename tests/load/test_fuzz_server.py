"""A thousand broken photos to the real service: it answers, it lives, it does not grow."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from tests.serving.conftest import ServiceUnderTest, second_service  # noqa: F401
from tests.support.drawn_photos import encoded, striped
from tests.support.odd_photos import garbage, mutated, photos_to_mutate

INPUTS = 1_000
CLIENTS = 4
GROWTH = 1.10


def worker_of(service: ServiceUnderTest) -> psutil.Process:
    """Return the Python process that runs the handler."""
    found = [p for p in service.processes() if any("model_service_worker" in part for part in p.cmdline())]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.timeout(1800)
def test_the_service_outlives_a_thousand_broken_photos(
    second_service: ServiceUnderTest,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    second_service.start()
    chance = np.random.default_rng(10)
    photos = photos_to_mutate()
    bodies = [
        garbage(chance) if index % 4 == 3 else mutated(photos[index % len(photos)], chance) for index in range(INPUTS)
    ]
    before = worker_of(second_service)
    resident: list[int] = []
    statuses: list[int] = []
    with ThreadPoolExecutor(CLIENTS) as clients:
        for begin in range(0, INPUTS, INPUTS // 10):
            answers = list(clients.map(second_service.post, bodies[begin : begin + INPUTS // 10]))
            statuses += [answer.status_code for answer in answers]
            resident.append(before.memory_info().rss)
    assert set(statuses) <= {200, 400, 413, 415, 422}
    assert worker_of(second_service) == before, "the worker died and was started again"
    assert second_service.post(encoded(striped())).status_code == 200
    with capsys.disabled():
        megabytes = [round(size / 1e6) for size in resident]
        print(
            f"\n{len(statuses)} answers, {statuses.count(200)} of them predictions; worker's MB by tenth: {megabytes}"
        )
    assert resident[-1] < GROWTH * resident[0]
