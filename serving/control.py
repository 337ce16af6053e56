"""Start and stop a service in the background; both return when it is so."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from serving.settings import ServingSettings
from serving.supervisor import read_instance

_STOP_SECONDS = 40


class ServiceError(RuntimeError):
    """The service did not come up; the message holds the end of its log."""


def start(settings: ServingSettings) -> str:
    """Bring the service up, or up to date, and return a line that says what was done.

    A service that runs an older archive or configuration is stopped first.

    Raises:
        ServiceError: it did not get ready.
        FileNotFoundError: there is no model archive.
    """
    if not settings.archive.is_file():
        raise FileNotFoundError(f"{settings.archive} does not exist. Build it with `make export`.")
    instance = read_instance(settings.state)
    done = "started"
    if instance is not None and instance.supervisor_alive():
        if instance.ready and instance.fingerprint == settings.fingerprint():
            return f"already running, up to date: {settings.inference}"
        done = "restarted with what changed"
    stop(settings)
    settings.state.mkdir(parents=True, exist_ok=True)
    with settings.log_file.open("wb") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "serving", "run"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # the terminal's Ctrl-C is not meant for it
        )
    began = time.monotonic()
    while supervisor.poll() is None:
        instance = read_instance(settings.state)
        if instance is not None and instance.supervisor == supervisor.pid and instance.ready:
            return f"{done} in {time.monotonic() - began:.1f} s: {settings.inference}"
        time.sleep(0.05)
    raise ServiceError(f"TorchServe did not start. The end of {settings.log_file}:\n{_tail(settings.log_file)}")


def stop(settings: ServingSettings) -> str:
    """End the service with everything it started, and return a line that says what was done."""
    instance = read_instance(settings.state)
    if instance is None or not (instance.supervisor_alive() or instance.java_alive()):
        return "not running"
    if instance.supervisor_alive():
        os.kill(instance.supervisor, signal.SIGTERM)
        _wait_while(instance.supervisor_alive)
    if instance.supervisor_alive():
        os.kill(instance.supervisor, signal.SIGKILL)
    if instance.java_alive():  # its supervisor was killed, or hung
        os.killpg(instance.java, signal.SIGKILL)
        _wait_while(instance.java_alive)
    (settings.state / "instance.json").unlink(missing_ok=True)
    settings.token_file.unlink(missing_ok=True)
    return "stopped"


def _wait_while(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def _tail(path: Path, lines: int = 25) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
