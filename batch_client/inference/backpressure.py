"""How many requests may be in flight, and how long the service may stay silent."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class AimdLimiter:
    """A limit on requests in flight that halves when the service is full and grows by one per round of answers.

    Source: Chiu and Jain, Analysis of the Increase and Decrease Algorithms for Congestion Avoidance, 1989
    (additive increase, multiplicative decrease).

    Args:
        most: largest number of requests in flight.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._in_flight = 0
        self._epoch = 0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """Number of requests that may be in flight now."""
        return max(1, int(self._limit))

    @contextmanager
    def slot(self) -> Iterator[int]:
        """Wait for a free slot and hold it for the block; yields the epoch that :meth:`was_full` needs."""
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
        """Record an answer: after a round of them one more request may be in flight."""
        with self._changed:
            self._limit = min(self._most, self._limit + 1 / self._limit)
            self._changed.notify()

    def was_full(self, epoch: int) -> None:
        """Record that the service had no room: halve the limit once for all requests of the same epoch."""
        with self._changed:
            if epoch == self._epoch:
                self._epoch += 1
                self._limit = max(1.0, self._limit / 2)


class CircuitBreaker:
    """Opens when the service has not answered for a while. Then the run ends instead of trying every photo.

    Args:
        max_downtime: seconds without an answer; longer than a restart of the service.
    """

    def __init__(self, max_downtime: float) -> None:
        self._max_downtime = max_downtime
        self._last_answer = time.monotonic()
        self._silent = False

    def answered(self) -> None:
        """Record an answer."""
        self._last_answer = time.monotonic()
        self._silent = False

    def failed(self) -> None:
        """Record a fault. The downtime starts with the first fault after an answer."""
        if not self._silent:
            self._last_answer = time.monotonic()  # before the flag: another thread must not see the old time
            self._silent = True

    @property
    def is_open(self) -> bool:
        """The service has been silent for too long."""
        return self._silent and time.monotonic() - self._last_answer > self._max_downtime
