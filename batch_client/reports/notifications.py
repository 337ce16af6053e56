"""Messages about how a run ended; a message that cannot be delivered does no harm to the run."""

import logging
import time
from typing import Any

from batch_client.reports.posting import Post

SECONDS = 13.0  # for all messages of a run together, whatever the receivers do
_SHARE_OF_THE_FIRST = 0.6  # after which the ping starts beside a webhook that does not answer
log = logging.getLogger("batch_client")
_LONGEST_PING = 8_000  # characters
_running: dict[str, Post] = {}  # calls by their URL; one that never ends is not followed by another


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
    started = []
    for name, url, content in calls:
        if (earlier := _running.get(url)) is not None and earlier.is_running:
            log.warning("the %s was not delivered: an earlier one is not answered yet", name)
            continue
        post = _running[url] = Post(url, follows_redirects=True, **content)
        started.append((name, post))
        post.wait(seconds * _SHARE_OF_THE_FIRST)
    for name, post in started:
        post.wait(deadline - time.monotonic())
        error = f"no answer within {seconds:g} s" if post.is_running else post.error
        if error is not None:
            log.warning("the %s was not delivered: %s", name, error)


def _warnings(report: dict[str, Any]) -> str:
    """Return what needs somebody, as the text of a ping."""
    lines = [report.get("message") or ""]
    lines += [note["message"] for note in report.get("notes", ()) if note["kind"] in ("warning", "manifest")]
    return "\n".join(line for line in lines if line)[:_LONGEST_PING]
