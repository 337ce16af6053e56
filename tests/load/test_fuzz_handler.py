"""Twenty thousand broken photos, and small ones made to cost much, through the handler as TorchServe loads it."""

import resource
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from handler.decoding.in_process import decode_in_process
from handler.decoding.limits import Wanted
from handler.errors import PhotoError
from handler.offline import shipped_limits
from tests.handler.worker import Worker
from tests.support.bombs import BOMBS
from tests.support.drawn_photos import encoded, striped
from tests.support.odd_photos import garbage, mutated, photos_to_mutate, restructured

INPUTS = 20_000
BATCH = 16
HEADERS = {"Content-Type": "image/jpeg", "explain": "False"}
LONGEST_BATCH_S = 30  # of processor time; a batch takes 0.1
# What a photo of 96 x 96 pixels may cost once the checks have passed it; it takes some milliseconds and no memory.
LONGEST_PHOTO_S = 2
MOST_MEMORY_KB = 200_000
DEAREST_S = 20  # of wall-clock time: 4 s of processor time on a machine that does other things as well; it was 217 s
REACHED_A_DECODER = ("", "truncated_image")


@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("default")  # as in the service, where a decoder's warning refuses nothing
def test_whatever_comes_gets_an_answer_of_ours(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the inputs are photos damaged so that their header still passes; none makes a 500 or holds the worker."""
    worker = Worker(archive, tmp_path)
    chance = np.random.default_rng(20)
    photos = photos_to_mutate()
    tried = mutants = reached = 0
    statuses: dict[int, int] = {}
    while tried < INPUTS or mutants < INPUTS // 2 or reached < INPUTS // 3:
        assert tried < 4 * INPUTS, f"only {reached} of {tried} reached a decoder"
        batch = []
        for index in range(BATCH):
            if index % 8 == 7:
                batch.append(garbage(chance))
            else:
                change = restructured if index % 4 == 3 else mutated
                batch.append(change(photos[int(chance.integers(0, len(photos)))], chance))
                mutants += 1
        began = time.process_time()
        answers = worker.predict(*(({"body": bytearray(data)}, HEADERS) for data in batch))
        assert time.process_time() - began < LONGEST_BATCH_S
        for data, answer in zip(batch, answers, strict=True):
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            assert answer.status in (200, 400, 413, 415, 422), data.hex()[:4000]
            error = answer.json().get("error")
            assert (error is not None) == (answer.status != 200)
            reached += (error["code"] if error else "") in REACHED_A_DECODER
        tried += BATCH
    with capsys.disabled():
        print(f"\n{tried} inputs, {mutants} of them mutated photos, {reached} reached a decoder; answers {statuses}")
    assert statuses[200] > 100, "the mutations leave no photo alive"


@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("default")
def test_whatever_the_checks_pass_is_cheap_to_decode(capsys: pytest.CaptureFixture[str]) -> None:
    """In this process, where no limit ends a decoder: check and decoder must read the file in the same way."""
    limits = shipped_limits()
    chance = np.random.default_rng(21)
    photos = photos_to_mutate()
    decoded = 0
    peak = 0
    for number in range(INPUTS):
        photo = photos[int(chance.integers(0, len(photos)))]
        data = restructured(photo, chance) if number % 2 else mutated(photo, chance)
        began = time.process_time()
        try:
            decoded += decode_in_process(data, limits, Wanted(160)).image.width > 0
        except PhotoError as error:
            assert 400 <= error.status < 500  # noqa: PT017  # either answer will do
        assert time.process_time() - began < LONGEST_PHOTO_S, data.hex()[:4000]
        if number == INPUTS // 10:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with capsys.disabled():
        print(f"\n{INPUTS} inputs, {decoded} decoded")
    assert decoded > INPUTS // 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < MOST_MEMORY_KB


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BOMBS)
def test_no_bomb_holds_the_worker(name: str, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It gets an answer of its own, and its neighbour the right one."""
    worker = Worker(archive, tmp_path)
    neighbour = ({"body": bytearray(encoded(striped()))}, HEADERS)
    expected = worker.predict(neighbour)[0].json()
    bomb = bytearray(BOMBS[name]())
    memory = psutil.Process().memory_info().rss
    began = time.monotonic()
    answer, other = worker.predict(({"body": bomb}, HEADERS), neighbour)
    took = time.monotonic() - began
    grown = (psutil.Process().memory_info().rss - memory) // 1_000_000
    with capsys.disabled():
        code = answer.json().get("error", {}).get("code", "classified")
        print(f"\n{name}: {len(bomb)} bytes, {answer.status} {code}, {took:.2f} s, worker +{grown} MB")
    assert answer.status in (200, 400, 413, 415)
    assert other.status == 200
    assert other.json() == expected
    assert took < DEAREST_S
    assert grown < 200
