"""Start and stop a service in the background. Both return when the service is ready, or gone."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serving import logs
from serving.engine import require_free_addresses
from serving.probe import engine_answers, predicts, read_engine_key, read_key
from serving.settings import ServingSettings
from serving.supervisor import Instance, read_instance

_STOP_SECONDS = 45  # draining, and Java's own end
_BUSY_SECONDS = 45  # the largest photos may take 30 s (handler/pipeline.py)


class ServiceError(RuntimeError):
    """The service did not come up; the message holds the end of its log."""


def start(settings: ServingSettings) -> str:
    """Bring the service up, or up to date, and return a line that says what was done.

    A service that runs an older archive or configuration, or no longer answers, is stopped first; one that is loading
    or busy is waited for. Of two starts at once the second waits and finds the work done.

    Raises:
        ServiceError: it did not get ready.
        AddressTakenError: another program listens on an address; a running service was left as it is.
        FileNotFoundError: there is no model archive.
    """
    settings.require_archive()
    settings.state.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(settings.state / "start.lock"):
        instance = read_instance(settings.state)
        if instance is None or not instance.supervisor_alive():
            done = "started"
        elif instance.fingerprint != settings.fingerprint():
            done = "restarted with what changed"
        elif _answers_in_the_end(settings, instance):
            return f"already running, up to date: {settings.inference}"
        else:
            done = "restarted because it did not answer"
        # The running service must not be stopped for a start that cannot succeed.
        require_free_addresses(settings, instance.listening_ports() if instance is not None else ())
        stop(settings)
        return f"{done} in {_launch(settings):.1f} s: {settings.inference}"


def stop(settings: ServingSettings) -> str:
    """End the service with everything it started, and return a line that says what was done.

    Raises:
        PermissionError: it belongs to another user.
    """
    instance = read_instance(settings.state)
    if instance is None:
        return "not running"
    was_alive = instance.supervisor_alive() or instance.java_alive()
    _signal(os.kill, instance.supervisor, signal.SIGTERM, instance.supervisor_alive)
    _signal(os.kill, instance.supervisor, signal.SIGKILL, instance.supervisor_alive)
    # Java outlives a supervisor that was killed; its process group holds the workers too.
    _signal(os.killpg, instance.java, signal.SIGKILL, instance.java_alive)
    _remove_traces(settings, instance)
    return "stopped" if was_alive else "not running"


def answers(settings: ServingSettings) -> bool:
    """Tell whether a real prediction is answered at this moment."""
    key = read_key(settings.token_file)
    return key is not None and predicts(settings.inference, key)


def _answers_in_the_end(settings: ServingSettings, instance: Instance) -> bool:
    """Wait for a prediction while the service loads, or its engine says that it lives and has much to do.

    A restart would drop what it has in hand, and the model versions that were registered since its start.
    """
    deadline = time.monotonic() + (_BUSY_SECONDS if instance.ready else settings.startup_timeout)
    while not answers(settings):
        busy = not instance.ready or engine_answers(settings.management, read_engine_key(settings.state, "management"))
        if not busy or not instance.supervisor_alive() or time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _launch(settings: ServingSettings) -> float:
    """Start a supervisor that outlives us; return the seconds until the service was ready."""
    log, output = settings.log_file, settings.output_file
    # Lines of earlier starts are no part of what a failure shows.
    already = log.stat().st_size if log.is_file() else 0
    has_log = logs.why_no_file(log) is None
    with output.open("wb") as file:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "serving", "run"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if has_log else file,  # the log is on both; this copy would grow without end
            stderr=file,
            start_new_session=True,  # the terminal's Ctrl-C is not meant for it
        )
    began = time.monotonic()
    while supervisor.poll() is None:
        instance = read_instance(settings.state)
        if instance is not None and instance.supervisor == supervisor.pid and instance.ready:
            return time.monotonic() - began
        time.sleep(0.05)
    said = (_tail(log, already) if has_log else "") + _tail(output)
    raise ServiceError(f"TorchServe did not start. {log if has_log else output} ends with:\n{said}")


def _signal(send: Callable[[int, int], None], pid: int, number: signal.Signals, is_alive: Callable[[], bool]) -> None:
    """Send a signal to what is alive and wait until it is not."""
    if not is_alive():
        return
    with suppress(ProcessLookupError):  # it ended in between
        send(pid, number)
    deadline = time.monotonic() + _STOP_SECONDS
    while is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)


def _remove_traces(settings: ServingSettings, instance: Instance) -> None:
    """Remove what a supervisor that was killed could not."""
    shutil.rmtree(instance.temporary, ignore_errors=True)
    for path in (settings.state / "instance.json", settings.state / "key_file.json", settings.token_file):
        path.unlink(missing_ok=True)


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _tail(path: Path, start: int = 0, lines: int = 25) -> str:
    """Return the last lines of what a file holds from a byte on; all of them where it became shorter meanwhile."""
    content = path.read_bytes()
    written = content[start if len(content) >= start else 0 :].decode("utf-8", "replace")
    return "".join(written.splitlines(keepends=True)[-lines:])
