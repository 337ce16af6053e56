"""Messages about how a run ended; a message that cannot be delivered does no harm to the run."""

import logging
import threading
import time
from typing import Any

import requests

SECONDS = 13.0  # for all messages of a run together, whatever the receivers do
_SHARE_OF_THE_FIRST = 0.6  # after which the ping starts beside a webhook that does not answer
_TIMEOUT = (3, 10)  # seconds: connect, and silence
log = logging.getLogger("batch_client")
_LONGEST_PING = 8_000  # characters
_waiting: dict[str, threading.Thread] = {}  # calls by their URL; one that never ends is not followed by another


def send_notices(
    report: dict[str, Any], webhook_url: str | None, ping_url: str | None, seconds: float = SECONDS
) -> None:
    """Post a run's report to a webhook, and ping a dead man's switch; return after some seconds at most.

    The switch is called at ``/fail`` if the exit code is not 0, as healthchecks.io and similar services understand it.
    If it is not called at all, the night did not happen.

    Args:
        report: the run's columns and failures.
        webhook_url: gets the report as JSON; None for none.
        ping_url: gets what needs somebody as text; None for none.
        seconds: time limit for both together.
    """
    calls: list[tuple[str, str, dict[str, Any]]] = []
    if webhook_url is not None:
        calls.append(("webhook", webhook_url, {"json": report}))
    if ping_url is not None:
        url = ping_url if report["exit_code"] == 0 else f"{ping_url.rstrip('/')}/fail"
        calls.append(("ping", url, {"data": _warnings(report).encode()}))
    deadline = time.monotonic() + seconds
    threads = []
    for name, url, content in calls:
        if (thread := _start(name, url, content)) is not None:
            threads.append((name, thread))
            thread.join(seconds * _SHARE_OF_THE_FIRST)
    for name, thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            log.warning("the %s was not delivered: no answer within %g s", name, seconds)


def _warnings(report: dict[str, Any]) -> str:
    """Return what needs somebody, as the text of a ping."""
    lines = [report.get("message") or ""]
    lines += [note["message"] for note in report.get("notes", ()) if note["kind"] in ("warning", "manifest")]
    return "\n".join(line for line in lines if line)[:_LONGEST_PING]


def _start(name: str, url: str, content: dict[str, Any]) -> threading.Thread | None:
    """Start a call in a thread of its own: requests limits the silence between two bytes, not the whole call."""
    earlier = _waiting.get(url)
    if earlier is not None and earlier.is_alive():
        log.warning("the %s was not delivered: an earlier one is not answered yet", name)
        return None
    thread = threading.Thread(target=_call, args=(name, url, content), name=f"{name} call", daemon=True)
    _waiting[url] = thread
    thread.start()
    return thread


def _call(name: str, url: str, content: dict[str, Any]) -> None:
    try:
        # Streamed, because only the status counts: an answer that never ends is closed unread.
        with requests.post(url, **content, timeout=_TIMEOUT, stream=True) as answer:
            answer.raise_for_status()
    except requests.RequestException as error:
        # Not the URL: it may hold a secret.
        log.warning("the %s was not delivered: %s", name, type(error).__name__)
