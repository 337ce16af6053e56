"""Delivery of decided returns to the shop's system, from the outbox of the results."""

import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from batch_client.reports.posting import Post
from results import outbox
from results.database import Database, ResultsError

_CALL_SECONDS = 13.0  # for a whole call, however slowly the receiver answers
_EVENTS_A_ROUND = 100
_MOST_FAILURES = 3  # in a row; after that the receiver is away, and the rest waits for the next round
_ROUND_SECONDS = 30.0
log = logging.getLogger("batch_client")


@dataclass(frozen=True)
class Webhook:
    """Where decisions go.

    Attributes:
        url: of the receiver.
        secret: shared with the receiver, who checks the signature with it; empty for no signature.
    """

    url: str
    secret: str = ""


@dataclass(frozen=True)
class Delivered:
    """How many events the receiver confirmed, and how many attempts failed."""

    confirmed: int
    failed: int


def deliver(database: Database, webhook: Webhook, seconds: float = _CALL_SECONDS) -> Delivered:
    """Send the events that are due, oldest first, and note what became of each.

    An event leaves the outbox when the receiver answered 2xx, so each event arrives at least once. The receiver tells
    a repetition by ``event_id``.

    Args:
        database: the results.
        webhook: the receiver.
        seconds: time limit for each call.

    Raises:
        ResultsError: the results cannot be read or written.
    """
    confirmed = failed = in_a_row = 0
    with database.reading() as connection:
        events = outbox.due(connection, _EVENTS_A_ROUND)
    for event in events:
        error = _send(event, webhook, seconds)
        with database.writing() as connection:
            if error is None:
                outbox.confirm(connection, event)
            else:
                outbox.postpone(connection, event, error)
        if error is None:
            confirmed, in_a_row = confirmed + 1, 0
            continue
        failed, in_a_row = failed + 1, in_a_row + 1
        log.warning("the decision %s was not delivered (attempt %d): %s", event.event_id, event.attempts + 1, error)
        if in_a_row == _MOST_FAILURES:
            break
    return Delivered(confirmed, failed)


@contextmanager
def delivering(location: str, webhook: Webhook | None, pause: float = _ROUND_SECONDS) -> Iterator[None]:
    """Deliver in a thread while the block runs, in rounds with a pause between them; None delivers nothing.

    Args:
        location: of the results; the thread has a connection of its own.
        webhook: the receiver.
        pause: seconds between two rounds.
    """
    if webhook is None:
        yield
        return
    stopped = threading.Event()
    thread = threading.Thread(target=_rounds, args=(location, webhook, pause, stopped), name="decisions", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(_CALL_SECONDS + 1)


def _rounds(location: str, webhook: Webhook, pause: float, stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            database = Database(location)
            try:
                while True:
                    deliver(database, webhook)
                    if stopped.wait(pause):
                        return
            finally:
                database.close()
        except ResultsError as error:
            log.warning("decisions wait in the outbox: %s", error)
            stopped.wait(pause)


def _send(event: outbox.Event, webhook: Webhook, seconds: float) -> str | None:
    """Send one event; return why it failed, or None if the receiver confirmed it."""
    body = event.payload.encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-Refund-Event-Id": event.event_id,
        "X-Refund-Timestamp": timestamp,
    }
    if webhook.secret:
        headers["X-Refund-Signature"] = f"sha256={signature(webhook.secret, timestamp, body)}"
    post = Post(webhook.url, data=body, headers=headers)
    post.wait(seconds)
    return f"no answer within {seconds:g} s" if post.is_running else post.error


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the HMAC-SHA256 of ``timestamp``, a full stop and the body, hex."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
