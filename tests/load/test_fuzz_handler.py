"""Twenty thousand broken photos through the handler as TorchServe loads it."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handler.decoding.decode
from tests.handler.worker import Worker
from tests.support.odd_photos import garbage, mutated, photos_to_mutate

INPUTS = 20_000
BATCH = 16
HEADERS = {"Content-Type": "image/jpeg", "explain": "False"}
LONGEST_BATCH_S = 30  # of processor time; a batch takes 0.1


@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("default")  # as in the service, where a decoder's warning refuses nothing
def test_whatever_comes_gets_an_answer_of_ours(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the inputs are photos damaged so that their header still passes; none makes a 500 or holds the worker."""
    reached = 0
    load = handler.decoding.decode._load

    def counted_load(*arguments: Any) -> object:
        nonlocal reached
        reached += 1
        return load(*arguments)

    monkeypatch.setattr(handler.decoding.decode, "_load", counted_load)
    worker = Worker(archive, tmp_path)
    chance = np.random.default_rng(20)
    photos = photos_to_mutate()
    tried = mutants = 0
    statuses: dict[int, int] = {}
    while tried < INPUTS or mutants < INPUTS // 2 or reached < INPUTS // 2:
        assert tried < 4 * INPUTS, f"only {reached} of {tried} reached a decoder"
        batch = []
        for index in range(BATCH):
            if index % 8 == 7:
                batch.append(garbage(chance))
            else:
                batch.append(mutated(photos[int(chance.integers(0, len(photos)))], chance))
                mutants += 1
        began = time.process_time()
        answers = worker.predict(*(({"body": bytearray(data)}, HEADERS) for data in batch))
        assert time.process_time() - began < LONGEST_BATCH_S
        for data, answer in zip(batch, answers, strict=True):
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            assert answer.status in (200, 400, 413, 415, 422), data.hex()[:4000]
            assert ("error" in answer.json()) == (answer.status != 200)
        tried += BATCH
    with capsys.disabled():
        print(f"\n{tried} inputs, {mutants} of them mutated photos, {reached} reached a decoder; answers {statuses}")
    assert statuses[200] > 100, "the mutations leave no photo alive"
