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
    """The service did not start; the message has the end of its log."""


def start(settings: ServingSettings) -> str:
    """Start the service or bring it up to date, and return a line that says what was done.

    A service that runs an older archive or configuration, or that no longer answers, is stopped first. A service that
    is loading or busy is waited for. If two starts run at once, the second waits and then finds the service running.

    Raises:
        ServiceError: the service did not become ready.
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
        elif _answers_eventually(settings, instance):
            return f"already running, up to date: {settings.inference}"
        else:
            done = "restarted because it did not answer"
        # The running service must not be stopped for a start that cannot succeed.
        require_free_addresses(settings, instance.listening_ports() if instance is not None else ())
        stop(settings)
        return f"{done} in {_launch(settings):.1f} s: {settings.inference}"


def stop(settings: ServingSettings) -> str:
    """End the service and all its processes, and return a line that says what was done.

    Raises:
        PermissionError: the service belongs to another user.
    """
    instance = read_instance(settings.state)
    if instance is None:
        return "not running"
    was_alive = instance.supervisor_alive() or instance.java_alive()
    _signal(os.kill, instance.supervisor, signal.SIGTERM, instance.supervisor_alive)
    _signal(os.kill, instance.supervisor, signal.SIGKILL, instance.supervisor_alive)
    # Java survives a supervisor that was killed. The workers are in its process group.
    _signal(os.killpg, instance.java, signal.SIGKILL, instance.java_alive)
    _remove_traces(settings, instance)
    return "stopped" if was_alive else "not running"


def answers(settings: ServingSettings) -> bool:
    """Return whether a real prediction is answered now."""
    key = read_key(settings.token_file)
    return key is not None and predicts(settings.inference, key)


def _answers_eventually(settings: ServingSettings, instance: Instance) -> bool:
    """Wait for a prediction as long as the service loads, or its engine answers and is busy.

    A restart would drop the requests in flight and the model versions that were registered since the start.
    """
    deadline = time.monotonic() + (_BUSY_SECONDS if instance.ready else settings.startup_timeout)
    while not answers(settings):
        busy = not instance.ready or engine_answers(settings.management, read_engine_key(settings.state, "management"))
        if not busy or not instance.supervisor_alive() or time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _launch(settings: ServingSettings) -> float:
    """Start a supervisor that outlives this process, and return the seconds until the service was ready."""
    log, output = settings.log_file, settings.output_file
    # A failure must not show the lines of earlier starts.
    already = log.stat().st_size if log.is_file() else 0
    has_log = logs.why_no_file(log) is None
    with output.open("wb") as file:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "serving", "run"],
            stdin=subprocess.DEVNULL,
            # The log file has the same lines. A second copy would grow without bound.
            stdout=subprocess.DEVNULL if has_log else file,
            stderr=file,
            start_new_session=True,  # Ctrl-C in the terminal must not reach it
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
    """Send a signal to a process that is alive, and wait until it has ended."""
    if not is_alive():
        return
    with suppress(ProcessLookupError):  # it ended in between
        send(pid, number)
    deadline = time.monotonic() + _STOP_SECONDS
    while is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)


def _remove_traces(settings: ServingSettings, instance: Instance) -> None:
    """Remove the files that a killed supervisor left."""
    shutil.rmtree(instance.temporary, ignore_errors=True)
    for path in (settings.state / "instance.json", settings.state / "key_file.json", settings.token_file):
        path.unlink(missing_ok=True)


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _tail(path: Path, start: int = 0, lines: int = 25) -> str:
    """Return the last lines of a file, from byte ``start`` on. A file that has become shorter is read whole."""
    content = path.read_bytes()
    written = content[start if len(content) >= start else 0 :].decode("utf-8", "replace")
    return "".join(written.splitlines(keepends=True)[-lines:])
