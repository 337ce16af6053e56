"""Requests to the service: repeated while a fault may pass, fewer while it is full, none once it stays away."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from batch_client.stop import StopReason, StopSignal
from service_client.client import InferenceClient, PictureWish
from service_client.responses import FaultKind, PhotoRejected, Prediction, ServedModel, ServiceFault

KILLS_WORKER = "kills_worker"
MOST_IN_FLIGHT = 16  # requests: two server batches, so that one can form while another one runs
_NOT_ABOUT_THE_PHOTO = (FaultKind.FULL, FaultKind.DRAINING)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how fast requests are repeated.

    Attributes:
        attempts: faults in a row after which a photo is a suspect.
        batch_failures: failures of the whole server batch after which a photo is a suspect.
        deaths_alone: how often a worker must die of a photo that is sent alone.
        first_pause_s: seconds before the second attempt; each further pause is twice as long.
        longest_pause_s: upper limit of a pause, in seconds.
    """

    attempts: int = 6
    batch_failures: int = 3
    deaths_alone: int = 2
    first_pause_s: float = 0.25
    longest_pause_s: float = 5.0

    def pause(self, attempt: int) -> float:
        """Return the seconds to wait before another attempt; random, so that many senders do not return together."""
        return random.uniform(0.5, 1) * min(self.longest_pause_s, self.first_pause_s * 2.0**attempt)


@dataclass(frozen=True)
class PoisonSuspect:
    """A photo that got no answer beside others. It may have crashed the worker, so it is sent again alone."""

    message: str


class ServiceAway(Exception):
    """The service stays away; the message says what was seen and what to do."""


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


class RetryingClient:
    """Repeats requests with back-off; :meth:`classify_with_retry` from many threads at once.

    When the service was silent for too long, it ends the run. From then on every waiting thread gets
    :class:`~batch_client.stop.Stopped`, so that a run ends soon and not after a time-out for each photo.

    Args:
        client: of the service.
        stop: of the run.
        max_downtime: seconds that the service may be silent; a restart takes some.
        policy: how requests are repeated.
    """

    def __init__(
        self, client: InferenceClient, stop: StopSignal, max_downtime: float, policy: RetryPolicy | None = None
    ) -> None:
        self._client = client
        self._stop = stop
        self._policy = policy or RetryPolicy()
        self._limiter = AimdLimiter(MOST_IN_FLIGHT)
        self._breaker = CircuitBreaker(max_downtime)

    def describe(self) -> ServedModel:
        """Ask which model answers, and wait for a service that is starting.

        Raises:
            ServiceAway: it stays away.
            Stopped: the run is to end.
        """
        attempt = 0
        while True:
            self._stop.check()
            answer = self._client.describe()
            if not isinstance(answer, ServiceFault):
                self._breaker.answered()
                return answer
            self._wait_after(answer, attempt)
            attempt += 1

    def classify_with_retry(
        self, photo: bytes | bytearray, picture: PictureWish | None, expected: str | None = None
    ) -> Prediction | PhotoRejected | PoisonSuspect:
        """Send one photo beside others, and again while its fault may pass.

        Args:
            photo: encoded.
            picture: whether to request the picture for the desk.
            expected: the ordered categories, separated by commas; None without an order.

        Raises:
            ServiceAway, Stopped: it was not answered.
        """
        faults = batch_failures = waits = 0
        message = "not sent"
        while faults < self._policy.attempts:
            with self._limiter.slot() as epoch:
                self._stop.check()
                answer = self._classify(photo, picture, expected)
            if not isinstance(answer, ServiceFault):
                self._breaker.answered()
                self._limiter.succeeded()
                return answer
            message = answer.message
            if answer.kind is FaultKind.FULL:
                self._limiter.was_full(epoch)
            faults += answer.kind not in _NOT_ABOUT_THE_PHOTO
            batch_failures += answer.kind is FaultKind.BATCH_FAILED
            if answer.kind is FaultKind.WORKER_DIED or batch_failures == self._policy.batch_failures:
                break
            self._wait_after(answer, waits)
            waits += 1
        return PoisonSuspect(message)

    def classify_alone(
        self, photo: bytes | bytearray, picture: PictureWish | None, expected: str | None = None
    ) -> Prediction | PhotoRejected | ServiceFault:
        """Send a suspect. The caller makes sure that nothing else is in flight.

        The arguments are those of :meth:`classify_with_retry`.

        Returns:
            Its answer; ``kills_worker`` as a rejection if the worker died of it repeatedly; a fault after the last
            attempt: the service answers, but not to this photo.

        Raises:
            ServiceAway, Stopped: it was not answered.
        """
        faults = deaths = waits = 0
        answer: Prediction | PhotoRejected | ServiceFault = ServiceFault(FaultKind.AWAY, "not sent")
        while faults < self._policy.attempts:
            self.describe()  # waits until the worker is back
            self._stop.check()
            answer = self._classify(photo, picture, expected)
            if not isinstance(answer, ServiceFault):
                return answer
            if answer.kind in _NOT_ABOUT_THE_PHOTO:
                self._wait_after(answer, waits)
                waits += 1
                continue
            faults += 1
            deaths += answer.kind is FaultKind.WORKER_DIED
            if deaths == self._policy.deaths_alone:
                message = f"The service's worker died of this photo, {deaths} times."
                return PhotoRejected(KILLS_WORKER, message, 500)
        return answer

    def _classify(
        self, photo: bytes | bytearray, picture: PictureWish | None, expected: str | None
    ) -> Prediction | PhotoRejected | ServiceFault:
        return self._client.classify(photo, fingerprint=True, picture=picture, expected=expected, probabilities=True)

    def _wait_after(self, fault: ServiceFault, attempt: int) -> None:
        """Record a fault and wait before the next attempt.

        Raises:
            ServiceAway: it was so for too long, or waiting does not help.
            Stopped: the run is to end.
        """
        self._breaker.failed()
        # Waiting does not help where the service refuses what the token file holds.
        if fault.kind is FaultKind.TOKEN or self._breaker.is_open:
            self._stop.stop(StopReason.AWAY)
            raise ServiceAway(self._sentence(fault))
        self._stop.pause(self._policy.pause(attempt))

    def _sentence(self, fault: ServiceFault) -> str:
        remedy = "Start it with `make serve`, or set TORCHSERVE_URL."
        if fault.kind is FaultKind.TOKEN:
            remedy = f"TORCHSERVE_TOKEN_FILE must name the file of the running service, not {self._client.token_file}."
        return f"{self._client.url} does not classify: {fault.message}. {remedy}"
