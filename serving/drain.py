"""Let the engine finish what it has begun: on SIGTERM, TorchServe itself drops it."""

import fcntl
import threading
import time
from pathlib import Path
from typing import IO

import requests

VARIABLE = "SERVING_DRAIN_SIGN"  # tells the handler where the sign is
DRAIN_SECONDS = 20.0
_CHECK_SECONDS = 0.05
_ON_THE_WAY_SECONDS = 0.3  # for answers between the worker and the client
_TIMEOUT = (2, 5)  # seconds: connect, read


def drain(sign: Path, management: str, key: str, hurried: threading.Event) -> str:
    """Have new requests declined, wait until all earlier ones are answered, and say how it went.

    Args:
        sign: the file that the handler holds a shared lock on while it works on a batch; what is written into it
            makes the handler decline.
        management: base URL of the management API.
        key: its token.
        hurried: ends the waiting early.
    """
    began = time.monotonic()
    sign.write_text("draining", encoding="ascii")
    with sign.open("rb") as file:
        batches_ended = False
        while time.monotonic() - began < DRAIN_SECONDS:
            if hurried.wait(_CHECK_SECONDS):
                return "drain cut short"
            batches_ended = batches_ended or _all_batches_ended(file)
            if not batches_ended:
                continue
            pending = pending_requests(management, key)
            if pending is None:
                return "nothing to drain: the management API does not answer"
            if pending == 0:
                hurried.wait(_ON_THE_WAY_SECONDS)
                return f"drained in {time.monotonic() - began:.1f} s"
    return f"not drained within {DRAIN_SECONDS:.0f} s"


def pending_requests(management: str, key: str) -> int | None:
    """Count the requests that wait in the queues of all models and versions; None when the engine does not say."""
    with requests.Session() as session:
        session.trust_env = False  # a proxy for the outside world must not get what stays on this machine
        session.headers["Authorization"] = f"Bearer {key}"
        try:
            models = session.get(f"{management}/models", timeout=_TIMEOUT).json()["models"]
            versions = [
                version
                for model in models
                for version in session.get(f"{management}/models/{model['modelName']}/all", timeout=_TIMEOUT).json()
            ]
            return sum(int(version["jobQueueStatus"]["pendingRequests"]) for version in versions)
        except (requests.RequestException, ValueError, KeyError, TypeError):
            return None


def _all_batches_ended(sign: IO[bytes]) -> bool:
    """Tell whether no worker holds the sign: then each batch that was begun before it was written has ended."""
    try:
        fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(sign, fcntl.LOCK_UN)
    return True
