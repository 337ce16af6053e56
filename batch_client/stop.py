"""How a run is told to end before all photos had their turn."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from types import FrameType


class StopReason(Enum):
    """Why a run ends early; the value is the message of the run."""

    AWAY = "the service is away"
    INTERRUPTED = "interrupted"
    TIME_LIMIT = "the time limit is reached"
    SOURCE_LOST = "the source can no longer be reached"
    MANIFEST = "the manifest cannot be used"
    SETTINGS = "a setting cannot be used"


class Stopped(Exception):
    """The run is to end; this step was not done."""


class StopSignal:
    """The one signal that ends a run. The run owns it; readers, the client of the service and the timer share it.

    Attributes:
        reason: why the run ends; None while it goes on.
    """

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self._event = threading.Event()

    def stop(self, reason: StopReason) -> None:
        """End the run. Only the first reason counts."""
        self.reason = self.reason or reason
        self._event.set()

    def check(self) -> None:
        """Return at once while the run goes on.

        Raises:
            Stopped: the run is to end.
        """
        if self._event.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            Stopped: the run is to end, or was told so meanwhile.
        """
        if self._event.wait(seconds):
            raise Stopped


@contextmanager
def ends_in_time(stop: StopSignal, limit: float | None) -> Iterator[None]:
    """End the run if the block takes longer than a limit.

    Args:
        stop: of the run.
        limit: seconds; None sets no limit.
    """
    if limit is None:
        yield
        return
    timer = threading.Timer(limit, stop.stop, [StopReason.TIME_LIMIT])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def obeys_signals(stop: StopSignal, stopped: threading.Event | None) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the run, so that answers are stored; the second one ends the process.

    Args:
        stop: of the run.
        stopped: is set by the signal as well, for a schedule that has to end; a run that begins after it ends at once.
    """
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, _frame: FrameType | None) -> None:
        stop.stop(StopReason.INTERRUPTED)
        if stopped is not None:
            stopped.set()
        signal.signal(number, signal.SIG_DFL)

    for number in previous:
        signal.signal(number, handle)
    if stopped is not None and stopped.is_set():
        stop.stop(StopReason.INTERRUPTED)  # the signal came before our handlers
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
