"""The loop that waits for the next run, starts it, and tries a failed one again."""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from batch_client.exit_codes import ExitCode
from batch_client.schedule.times import Schedule

RETRIED = (ExitCode.SERVICE_AWAY, ExitCode.RESULTS, ExitCode.LOCKED)  # what may pass by itself
RETRY_PAUSES = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=60))
_LOOK_AGAIN_SECONDS = 30  # a machine that slept, or whose clock was set, is noticed within that time
# A clock that was set back by less is a small correction. Source: cron(8) of Debian, which uses the same limit.
_CLOCK_WAS_WRONG = timedelta(hours=3)
log = logging.getLogger("batch_client")


def utc_now() -> datetime:
    """Return the time of the machine's clock."""
    return datetime.now(UTC)


def run_forever(
    schedule: Schedule,
    run_once: Callable[[], int],
    last_started: Callable[[], datetime | None],
    stopped: threading.Event,
    retry_pauses: Sequence[timedelta] = RETRY_PAUSES,
    clock: Callable[[], datetime] = utc_now,
    note_due: Callable[[datetime], None] = lambda _: None,
) -> None:
    """Run at every scheduled time, one run at a time, in the calling thread, until stopped.

    One run makes up for all times that were missed while the machine was off or while a run was going on. A run that
    ends with a code of ``RETRIED`` is tried again after each pause in turn, and then after the last one again and
    again, until the next scheduled time. However a run fails, the next one comes.

    Args:
        schedule: when.
        run_once: one run; it returns its exit code or raises SystemExit, and reacts to signals itself.
        last_started: returns when the newest run started that counts as done; None if there was none. Called once.
        stopped: ends the waiting; a run that is going on is waited for.
        retry_pauses: between the end of a failed run and the next attempt.
        clock: the current time.
        note_due: told when the next run is due.
    """
    since, last = clock(), last_started()
    if last is not None and schedule.missed(last, since):
        since = last
    retry: datetime | None = None
    failed = 0
    while True:
        tick = schedule.next_after(since)
        due = tick if retry is None else min(tick, retry)
        if not _wait_until(due, schedule, stopped, clock, note_due):
            return
        if due == tick:
            failed = 0
        started = clock()
        code = _exit_code(run_once)
        ended = clock()
        since = ended if ended < started - _CLOCK_WAS_WRONG else started
        retry = None
        if code in RETRIED and retry_pauses:
            retry = ended + retry_pauses[min(failed, len(retry_pauses) - 1)]
            failed += 1


def _exit_code(run_once: Callable[[], int]) -> int:
    """Run, and return the exit code; a fault that nobody expected has the one of a bug."""
    try:
        code = run_once()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else ExitCode.BUG
        log.error("the run ended with exit code %d; the schedule goes on", code)
    except Exception:
        code = ExitCode.BUG
        log.exception("the run failed; the schedule goes on")
    return code


def _wait_until(
    due: datetime,
    schedule: Schedule,
    stopped: threading.Event,
    clock: Callable[[], datetime],
    note_due: Callable[[datetime], None],
) -> bool:
    """Wait for a moment; return False if stopped before it.

    If the clock turns out to have been far ahead, the moment was computed from a wrong time and comes earlier.
    """
    _announce(due, schedule, note_due)
    looked = clock()
    while not stopped.is_set():
        now = clock()
        if now < looked - _CLOCK_WAS_WRONG:
            due = min(due, schedule.next_after(now))
            log.warning("the clock was set back by %s", looked - now)
            _announce(due, schedule, note_due)
        looked = now
        seconds = (due - now).total_seconds()
        if seconds <= 0:
            return True
        stopped.wait(min(seconds, _LOOK_AGAIN_SECONDS))
    return False


def _announce(due: datetime, schedule: Schedule, note_due: Callable[[datetime], None]) -> None:
    note_due(due)
    log.info("the next run is due at %s", due.astimezone(schedule.zone).isoformat(timespec="minutes"))
