"""A photo that takes too much, or that kills its decoder, costs nobody else anything."""

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from PIL import Image

from handler.decoding import isolation
from handler.decoding.isolation import DecoderProcess
from handler.decoding.limits import DecodedPhoto, Wanted
from handler.errors import ErrorCode, PhotoError
from tests.support.decoding import LIMITS, SHIPPED, assert_shows_the_picture
from tests.support.drawn_photos import encoded, striped
from tests.support.odd_photos import interlaced_png

PICTURE = striped()
PNG = encoded(PICTURE, "PNG")
SLOW = interlaced_png(7_000, 7_000)  # some seconds of one processor, 400 MB; 150 kB


@pytest.fixture
def decoder() -> Iterator[DecoderProcess]:
    process = DecoderProcess()
    process.start()
    yield process
    process.stop()


def decoded(process: DecoderProcess, data: bytes, deadline: float = math.inf) -> DecodedPhoto:
    return process.decode(data, SHIPPED, Wanted(), deadline)


def code_of(process: DecoderProcess, data: bytes, deadline: float = math.inf) -> ErrorCode:
    with pytest.raises(PhotoError) as caught:
        decoded(process, data, deadline)
    assert caught.value.message.isascii()
    return caught.value.code


def waiting(process: DecoderProcess) -> psutil.Process:
    """Return the process that forks the children."""
    assert process._process is not None
    return psutil.Process(process._process.pid)


def child_of(process: DecoderProcess) -> psutil.Process:
    """Wait until a child is at work."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for child in waiting(process).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.status() != psutil.STATUS_ZOMBIE and child.cpu_times().user > 0.05:
                    return child
        time.sleep(0.01)
    raise AssertionError("no child is at work")


def test_a_photo_of_any_other_format_comes_back(decoder: DecoderProcess) -> None:
    photo = decoded(decoder, PNG)
    assert_shows_the_picture(photo.image)
    assert np.array_equal(np.asarray(photo.image), np.asarray(PICTURE))


def test_the_larger_copy_comes_along(decoder: DecoderProcess) -> None:
    data = encoded(striped((600, 800)), "PNG")
    photo = decoder.decode(data, SHIPPED, Wanted(40, 0, 500), math.inf)
    assert photo.image.size == (200, 267)
    assert photo.larger is not None
    assert photo.larger.size == (600, 800)


def test_too_much_time_is_the_photos_own_fault() -> None:
    process = DecoderProcess(cpu_s=0.2)
    process.start()
    try:
        with ThreadPoolExecutor(2) as threads:
            slow = threads.submit(code_of, process, SLOW)
            for _ in range(5):  # its neighbours do not notice
                assert_shows_the_picture(threads.submit(decoded, process, PNG).result().image)
            assert slow.result() == ErrorCode.TOO_COSTLY
        assert_shows_the_picture(decoded(process, PNG).image)
    finally:
        process.stop()


def test_too_much_memory_is_the_photos_own_fault() -> None:
    process = DecoderProcess(memory_mb=60)
    try:
        assert code_of(process, encoded(Image.new("RGB", (6_000, 6_000)), "PNG")) == ErrorCode.TOO_COSTLY
        assert_shows_the_picture(decoded(process, PNG).image)
    finally:
        process.stop()


def test_a_decoder_that_dies_takes_nobody_along(decoder: DecoderProcess) -> None:
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(code_of, decoder, SLOW)
        child_of(decoder).send_signal(signal.SIGSEGV)
        assert slow.result() == ErrorCode.TOO_COSTLY
    assert_shows_the_picture(decoded(decoder, PNG).image)


def test_the_process_that_waits_is_started_again(decoder: DecoderProcess) -> None:
    decoded(decoder, PNG)
    first = waiting(decoder)
    first.kill()
    first.wait(10)
    assert_shows_the_picture(decoded(decoder, PNG).image)
    assert waiting(decoder).pid != first.pid


def test_a_process_that_cannot_be_started_blames_no_photo(
    decoder: DecoderProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "_PROGRAM", "raise SystemExit(1)")
    decoder.stop()
    assert code_of(decoder, PNG) == ErrorCode.BUSY


def test_a_child_that_hangs_is_killed(decoder: DecoderProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_WALL_S", 5.0)
    decoded(decoder, PNG)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(code_of, decoder, SLOW)
        child = child_of(decoder)
        child.suspend()
        assert slow.result() == ErrorCode.BUSY  # the machine's fault for all we know
    gone, _ = psutil.wait_procs([child], timeout=10)
    assert gone


def test_a_large_photo_waits_for_its_turn_no_longer_than_it_may(decoder: DecoderProcess) -> None:
    with decoder.one_large_photo(math.inf):
        assert code_of(decoder, SLOW, time.monotonic() + 0.2) == ErrorCode.BUSY
        assert_shows_the_picture(decoded(decoder, PNG, time.monotonic() + 0.2).image)


def test_it_leaves_with_the_worker() -> None:
    process = DecoderProcess()
    decoded(process, PNG)
    waits = waiting(process)
    process.stop()
    assert not waits.is_running()


def test_it_sees_nothing_of_the_workers_secrets(decoder: DecoderProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    decoder.start()
    environment = waiting(decoder).environ()
    assert "SOME_TOKEN" not in environment
    assert "PATH" in environment


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_of_the_worker_has_a_process_of_its_own(decoder: DecoderProcess) -> None:
    decoded(decoder, PNG)
    pid = os.fork()
    if pid == 0:
        fine = np.array_equal(np.asarray(decoded(decoder, PNG).image), np.asarray(PICTURE))
        decoder.stop()
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert_shows_the_picture(decoded(decoder, PNG).image)


def test_many_at_once(decoder: DecoderProcess) -> None:
    with ThreadPoolExecutor(8) as threads:
        for photo in threads.map(lambda _: decoded(decoder, PNG), range(40)):
            assert_shows_the_picture(photo.image)
    _, left = psutil.wait_procs(waiting(decoder).children(), timeout=10)
    assert not left


def test_limits_of_the_caller_count(decoder: DecoderProcess) -> None:
    with pytest.raises(PhotoError) as caught:
        decoder.decode(encoded(Image.new("L", (2_000, 2_000)), "PNG"), LIMITS, Wanted(), math.inf)
    assert caught.value.code == ErrorCode.TOO_MANY_PIXELS
