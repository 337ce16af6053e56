"""The classification service, as the desk uses it."""

import logging
import math
import time
from pathlib import Path
from typing import Any

from service_client.client import InferenceClient
from service_client.responses import FaultKind, PhotoRejected, ServedModel, ServiceFault
from web.http.errors import WebError

_CONNECT_SECONDS = 2
_CALL_SECONDS = 60
_DESCRIBE_SECONDS = 2  # a page waits for it
_CONNECTIONS = 16
_KNOWN_SECONDS = 60  # how long a description of the model counts as current
_AWAY_SECONDS = 3  # how long a model that did not answer is not asked again: every page would wait for it
_RETRY_AFTER = {"Retry-After": "5"}
_REASONS = {
    FaultKind.FULL: "its queue is full",
    FaultKind.DRAINING: "it is about to stop or restart",
    FaultKind.WORKER_DIED: "its worker stopped",
    FaultKind.BATCH_FAILED: "it failed on this request",
    FaultKind.TOKEN: "it refuses the token in TORCHSERVE_TOKEN_FILE",
    FaultKind.AWAY: "it does not answer",
}

log = logging.getLogger(__name__)


class Service:
    """The service, with its description remembered; safe to share between threads.

    Args:
        url: base URL of the inference API.
        token_file: holds the inference token.
    """

    def __init__(self, url: str, token_file: Path) -> None:
        self._client = InferenceClient(
            url, token_file, _CONNECTIONS, _CONNECT_SECONDS, _CALL_SECONDS, _DESCRIBE_SECONDS
        )
        self._described: tuple[float, ServedModel] | None = None
        self._away_until = 0.0

    def describe(self, max_age: float = _KNOWN_SECONDS) -> ServedModel | None:
        """Return the model that answers; None while the service is away.

        Args:
            max_age: seconds for which an earlier description counts as current.
        """
        known, now = self._described, time.monotonic()
        if known is not None and now - known[0] < max_age:
            return known[1]
        if now < self._away_until:
            return None
        described = self._client.describe()
        if isinstance(described, ServiceFault):
            self._away_until = time.monotonic() + _AWAY_SECONDS
            return None
        self._described = (time.monotonic(), described)
        return described

    def last_described(self) -> ServedModel | None:
        """Return the model that answers or answered last; None if the service was never reached."""
        return self.describe() or (self._described[1] if self._described is not None else None)

    def classify(self, photo: bytes, explain: bool = False) -> dict[str, Any]:
        """Classify one photo; with ``explain`` the answer has the field ``heatmap`` as well.

        Raises:
            WebError: the photo is at fault (with status and code of the service), or the service is (503).
        """
        answer = self._client.explain(photo) if explain else self._client.classify(photo)
        if isinstance(answer, PhotoRejected):
            raise WebError(answer.status, answer.code, answer.message)
        if isinstance(answer, ServiceFault):
            if answer.kind is FaultKind.AWAY and self._described is not None:
                self._described = (-math.inf, self._described[1])  # the next page asks again
            raise _away(answer)
        return dict(answer.answer)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _away(fault: ServiceFault) -> WebError:
    reason = _REASONS[fault.kind]
    log.warning("The classification service is away: %s (%s). `make serve` starts it.", reason, fault.message)
    message = (
        f"The classification service is away: {reason}. Try again in a moment. If it stays away, tell the person who "
        "runs this machine."
    )
    return WebError(503, "service_away", message, _RETRY_AFTER)
