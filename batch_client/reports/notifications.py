"""Tells others how a run ended; whatever goes wrong with that, the run is none the worse."""

import logging
from typing import Any

import requests

_TIMEOUT = (3, 10)  # seconds: connect, read
log = logging.getLogger("batch_client")


def send_notices(report: dict[str, Any], webhook_url: str | None, ping_url: str | None) -> None:
    """Post a run's report to a webhook, and ping a dead man's switch.

    The switch is called at ``/fail`` when the exit code is not 0, as healthchecks.io and its kind understand it;
    when it is not called at all, the night did not happen.

    Args:
        report: the run's columns and failures.
        webhook_url: gets the report as JSON; None for none.
        ping_url: None for none.
    """
    if webhook_url is not None:
        _call("webhook", webhook_url, report)
    if ping_url is not None:
        _call("ping", ping_url if report["exit_code"] == 0 else f"{ping_url.rstrip('/')}/fail", None)


def _call(name: str, url: str, body: dict[str, Any] | None) -> None:
    try:
        answer = requests.post(url, json=body, timeout=_TIMEOUT)
        answer.raise_for_status()
    except requests.RequestException as error:
        # Not the URL: it may hold a secret.
        log.warning("the %s was not delivered: %s", name, type(error).__name__)
