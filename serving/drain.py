"""Drain the engine: TorchServe alone drops all requests in flight on SIGTERM."""

import fcntl
import threading
import time
from pathlib import Path
from typing import IO

import requests

VARIABLE = "SERVING_DRAIN_SIGN"  # tells the handler the path of the drain flag
DRAIN_SECONDS = 20.0
_CHECK_SECONDS = 0.05
_ON_THE_WAY_SECONDS = 0.3  # for responses on their way from the worker to the client
_TIMEOUT = (2, 5)  # seconds: connect, read


def drain(flag: Path, management: str, key: str, force_stop: threading.Event) -> str:
    """Refuse new requests, wait until the earlier ones are answered, and return a line that says how it ended.

    Args:
        flag: file of the drain flag. The handler holds a shared lock on it while it works on a batch, and refuses new
            requests when the file is not empty.
        management: base URL of the management API.
        key: management key.
        force_stop: ends the wait early.
    """
    began = time.monotonic()
    flag.write_text("draining", encoding="ascii")
    with flag.open("rb") as file:
        batches_ended = False
        while time.monotonic() - began < DRAIN_SECONDS:
            if force_stop.wait(_CHECK_SECONDS):
                return "drain cut short"
            batches_ended = batches_ended or _all_batches_ended(file)
            if not batches_ended:
                continue
            pending = pending_requests(management, key)
            if pending is None:
                return "nothing to drain: the management API does not answer"
            if pending == 0:
                force_stop.wait(_ON_THE_WAY_SECONDS)
                return f"drained in {time.monotonic() - began:.1f} s"
    return f"not drained within {DRAIN_SECONDS:.0f} s"


def pending_requests(management: str, key: str) -> int | None:
    """Count the requests in the queues of all models and versions; None if the engine does not answer."""
    with requests.Session() as session:
        session.trust_env = False  # a proxy must not get requests to this machine
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


def _all_batches_ended(flag: IO[bytes]) -> bool:
    """Return whether no worker holds the flag. Each batch that began before the flag was set has then ended."""
    try:
        fcntl.flock(flag, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(flag, fcntl.LOCK_UN)
    return True
