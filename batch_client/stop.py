"""How a run is told to end before all photos had their turn."""

import threading
from enum import Enum


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
