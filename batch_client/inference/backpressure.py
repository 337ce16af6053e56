"""How many requests may be in flight, and how long the service may stay silent."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class AdaptiveLimit:
    """A bound on the requests in flight that halves when the service is full and grows back by one a round.

    Source: Chiu and Jain, Analysis of the Increase and Decrease Algorithms for Congestion Avoidance, 1989
    (additive increase, multiplicative decrease).

    Args:
        most: requests in flight at best.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._in_flight = 0
        self._epoch = 0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return max(1, int(self._limit))

    @contextmanager
    def slot(self) -> Iterator[int]:
        """Wait for a place in flight and hold it for the block; gives the epoch to report with."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight < self.limit)
            self._in_flight += 1
            epoch = self._epoch
        try:
            yield epoch
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify()

    def succeeded(self) -> None:
        """Take note of an answer: after a whole round of them one more request may be in flight."""
        with self._changed:
            self._limit = min(self._most, self._limit + 1 / self._limit)
            self._changed.notify()

    def was_full(self, epoch: int) -> None:
        """Take note that the service had no room: halve, once for all requests that were in flight together."""
        with self._changed:
            if epoch == self._epoch:
                self._epoch += 1
                self._limit = max(1.0, self._limit / 2)


class Breaker:
    """Opens when the service has answered nothing for a while; then the run stops instead of trying every photo.

    Args:
        patience: seconds without an answer, long enough for a restart of the service.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._last_answer = time.monotonic()
        self._silent = False

    def answered(self) -> None:
        """Take note of a proper answer."""
        self._last_answer = time.monotonic()
        self._silent = False

    def failed(self) -> None:
        """Take note of a fault; the time of silence runs from the first after an answer."""
        if not self._silent:
            self._last_answer = time.monotonic()  # first, or another thread would see an old time
            self._silent = True

    @property
    def is_open(self) -> bool:
        """The service has been silent for longer than our patience."""
        return self._silent and time.monotonic() - self._last_answer > self._patience
