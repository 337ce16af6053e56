"""From a photo to its outcome, through everything that a service can do in between."""

import random
import threading
from dataclasses import dataclass
from enum import Enum

from batch_client.inference.backpressure import AdaptiveLimit, Breaker
from service_client.client import InferenceClient
from service_client.responses import FaultKind, PhotoRejected, Prediction, ServedModel, ServiceFault

KILLS_WORKER = "kills_worker"
_ATTEMPTS = 6
_RESENDS_AFTER_A_FAILED_BATCH = 2
_DEATHS_ALONE = 2
_NOT_THE_PHOTOS = (FaultKind.FULL, FaultKind.DRAINING)  # faults that say nothing about the photo
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 5.0


class StopReason(Enum):
    """Why nothing more is sent."""

    AWAY = "the service is away"
    INTERRUPTED = "interrupted"
    TIME_LIMIT = "the time limit is reached"
    SOURCE_LOST = "the source can no longer be reached"
    MANIFEST = "the manifest cannot be used"


@dataclass(frozen=True)
class Suspect:
    """A photo that came to no answer among others and is to be sent again alone: it may be what ails them."""

    message: str


class ServiceAway(RuntimeError):
    """The service stays away; the message says what was seen and what to do."""


class Stopped(RuntimeError):
    """The run may send nothing more."""


class Sender:
    """Sends photos; :meth:`classify` from many threads at once.

    Once the service has been silent for longer than ``patience``, or :meth:`stop` was called, everything that is not
    yet answered raises at once, so that a run ends soon, not after a time-out for each photo.

    Args:
        service: where to.
        most_in_flight: requests at once while the service keeps up.
        patience: seconds that the service may be silent; a restart takes some.

    Attributes:
        stop_reason: why nothing more is sent; None while photos are.
    """

    def __init__(self, service: InferenceClient, most_in_flight: int, patience: float) -> None:
        self._service = service
        self._limit = AdaptiveLimit(most_in_flight)
        self._breaker = Breaker(patience)
        self._stopped = threading.Event()
        self.stop_reason: StopReason | None = None

    def stop(self, reason: StopReason) -> None:
        """Send nothing more; requests in flight are still answered. The first reason stays."""
        self.stop_reason = self.stop_reason or reason
        self._stopped.set()

    def describe(self) -> ServedModel:
        """Ask which model answers, with patience for a service that is just starting.

        Raises:
            ServiceAway: it stays away.
            Stopped: :meth:`stop` was called while it was away.
        """
        attempt = 0
        while True:
            if self._stopped.is_set():
                raise Stopped
            answer = self._service.describe()
            if not isinstance(answer, ServiceFault):
                self._breaker.answered()
                return answer
            self._note(answer, attempt)
            attempt += 1

    def classify(self, photo: bytes) -> Prediction | PhotoRejected | Suspect:
        """Send one photo among others, again and again while its fault may pass.

        Raises:
            ServiceAway, Stopped: it was not answered and is left for the next run.
        """
        faults = failed = waits = 0
        trouble = ServiceFault(FaultKind.AWAY, "not sent")
        while faults < _ATTEMPTS:
            with self._limit.slot() as epoch:
                if self._stopped.is_set():
                    raise Stopped
                answer = self._service.classify(photo, fingerprint=True)
            if not isinstance(answer, ServiceFault):
                self._breaker.answered()
                self._limit.succeeded()
                return answer
            trouble = answer
            if answer.kind is FaultKind.FULL:
                self._limit.was_full(epoch)
            faults += answer.kind not in _NOT_THE_PHOTOS
            failed += answer.kind is FaultKind.BATCH_FAILED
            if answer.kind is FaultKind.WORKER_DIED or failed > _RESENDS_AFTER_A_FAILED_BATCH:
                break
            self._note(answer, waits)
            waits += 1
        return Suspect(trouble.message)

    def classify_alone(self, photo: bytes) -> Prediction | PhotoRejected | ServiceFault:
        """Send a suspect while nothing else is in flight; the caller sees to that.

        Returns:
            Its answer; a PhotoRejected ``kills_worker`` when the worker died of it twice; else, after the last
            attempt, a ServiceFault: the service answers everything but this photo.

        Raises:
            ServiceAway, Stopped: as above.
        """
        faults = deaths = waits = 0
        answer: Prediction | PhotoRejected | ServiceFault = ServiceFault(FaultKind.AWAY, "not sent")
        while faults < _ATTEMPTS:
            self.describe()  # waits until the worker is back
            if self._stopped.is_set():
                raise Stopped
            answer = self._service.classify(photo, fingerprint=True)
            if not isinstance(answer, ServiceFault):
                return answer
            if answer.kind in _NOT_THE_PHOTOS:
                self._note(answer, waits)
                waits += 1
                continue
            faults += 1
            deaths += answer.kind is FaultKind.WORKER_DIED
            if deaths == _DEATHS_ALONE:
                return PhotoRejected(KILLS_WORKER, f"The service's worker died of this photo, {deaths} times.", 500)
        return answer

    def _note(self, trouble: ServiceFault, attempt: int) -> None:
        """Take note of a fault and wait a little before the next attempt.

        Raises:
            ServiceAway: it has been so for too long, or no waiting will help.
            Stopped: the run was stopped meanwhile.
        """
        self._breaker.failed()
        # The service refused what the token file holds: waiting will not help.
        if trouble.kind is FaultKind.TOKEN or self._breaker.is_open:
            self.stop(StopReason.AWAY)  # for the other threads
            raise ServiceAway(self._sentence(trouble))
        # Random and doubling, so that many senders do not come back together.
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt)
        if self._stopped.wait(random.uniform(0.5, 1) * pause):
            raise Stopped

    def _sentence(self, trouble: ServiceFault) -> str:
        remedy = "Start it with `make serve`, or set TORCHSERVE_URL."
        if trouble.kind is FaultKind.TOKEN:
            remedy = f"TORCHSERVE_TOKEN_FILE must name the file of the running service, not {self._service.token_file}."
        return f"{self._service.url} does not classify: {trouble.message}. {remedy}"
