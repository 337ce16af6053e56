"""Run one engine in the foreground, as the parent of Java; drain it and end it."""

import fcntl
import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

from serving import logs
from serving.engine import Engine
from serving.logs import log
from serving.settings import ServingSettings

_WORKERS_CHECK_SECONDS = 5.0
EXIT_ENGINE_FAILED = 70  # EX_SOFTWARE: a service manager restarts us
EXIT_ALREADY_RUNNING = 75  # EX_TEMPFAIL


@dataclass(frozen=True)
class Instance:
    """The running service of a state folder, as written to ``instance.json``.

    Attributes:
        supervisor: process id of the supervisor.
        supervisor_started: start of that process, in seconds after the boot; process ids are used again.
        java: process id of Java, which is also the id of its process group.
        java_started: start of that process, in seconds after the boot.
        temporary: folder with the unpacked archives and the sockets of the engine.
        ready: whether a real prediction was answered.
        fingerprint: digest of what is served.
    """

    supervisor: int
    supervisor_started: float
    java: int
    java_started: float
    temporary: str
    ready: bool
    fingerprint: str

    def supervisor_alive(self) -> bool:
        """Return whether the process that wrote this still runs."""
        return _runs(self.supervisor, self.supervisor_started)

    def java_alive(self) -> bool:
        """Return whether Java still runs."""
        return _runs(self.java, self.java_started)

    def listening_ports(self) -> frozenset[int]:
        """Return the TCP ports on which Java listens; none if it does not run."""
        if not self.java_alive():
            return frozenset()
        try:
            connections = psutil.Process(self.java).net_connections("tcp")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return frozenset()
        return frozenset(connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN)


def read_instance(state: Path) -> Instance | None:
    """Read the running service of a state folder; None if there is none."""
    try:
        return Instance(**json.loads((state / "instance.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def supervise(settings: ServingSettings) -> int:
    """Run the engine until a signal arrives or the engine ends, and return the exit code.

    SIGTERM and SIGINT drain the engine. A second SIGINT (Ctrl-C) ends the drain.

    The exit code is 0 after a signal, 70 if the engine did not become ready or ended by itself, and 75 if another
    supervisor uses the state folder.
    """
    settings.require_archive()
    settings.state.mkdir(parents=True, exist_ok=True)
    with (settings.state / "lock").open("w") as lock:
        if not _lock(lock):
            print(f"serving: another service runs from {settings.state}", file=sys.stderr)
            return EXIT_ALREADY_RUNNING
        logs.set_up(settings.log_file)
        stopped, force_stop = threading.Event(), threading.Event()
        _on_signal(stopped, force_stop)
        fingerprint = settings.fingerprint()
        engine = Engine(settings)
        try:
            _write_instance(engine, fingerprint, ready=False)
            if not _watch(engine, stopped, fingerprint):
                return EXIT_ENGINE_FAILED
            return _drain(engine, force_stop)
        finally:
            engine.stop()
            (settings.state / "instance.json").unlink(missing_ok=True)


def _watch(engine: Engine, stopped: threading.Event, fingerprint: str) -> bool:
    """Wait until the engine is ready, then until it ends; return whether a signal ended it."""
    timeout = engine.settings.startup_timeout
    began = time.monotonic()
    while not stopped.wait(0.1):
        if _has_ended(engine):
            return False
        if engine.is_ready():
            _write_instance(engine, fingerprint, ready=True)
            log.info("ready after %.1f s: %s", time.monotonic() - began, engine.settings.inference)
            return _watch_workers(engine, stopped)
        if time.monotonic() - began > timeout:
            log.error("TorchServe answered no prediction within %.0f s", timeout)
            return False
    return True


def _watch_workers(engine: Engine, stopped: threading.Event) -> bool:
    """Wait until an engine that was ready ends, and return whether a signal ended it.

    The engine gives up a worker that dies again and again (``maxRetryTimeoutInSec``) and stays without one. It then
    answers no prediction, so it is ended.
    """
    timeout = engine.settings.startup_timeout
    seen = checked = time.monotonic()
    while not stopped.wait(0.1):
        if _has_ended(engine):
            return False
        now = time.monotonic()
        if now - checked < _WORKERS_CHECK_SECONDS:
            continue
        checked = now
        if engine.has_worker():
            seen = now
        elif now - seen > timeout:
            log.error(
                "TorchServe has had no worker for %.0f s: it gave it up, or somebody scaled it down to none", timeout
            )
            return False
    return True


def _drain(engine: Engine, force_stop: threading.Event) -> int:
    """Let the engine finish the requests in flight, and return the exit code."""
    log.info("draining: requests in flight are finished, new ones are refused")
    log.info(engine.drain(force_stop))
    return EXIT_ENGINE_FAILED if _has_ended(engine) else 0


def _has_ended(engine: Engine) -> bool:
    """Return whether Java ended by itself, and log it."""
    if (code := engine.process.poll()) is None:
        return False
    log.error("TorchServe ended by itself with code %d", code)
    return True


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _on_signal(stopped: threading.Event, force_stop: threading.Event) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        if stopped.is_set() and number == signal.SIGINT:
            force_stop.set()
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _write_instance(engine: Engine, fingerprint: str, ready: bool) -> None:
    state = engine.settings.state
    own, java = os.getpid(), engine.process.pid
    instance = Instance(
        supervisor=own,
        supervisor_started=_began(psutil.Process(own)),
        java=java,
        java_started=_began(psutil.Process(java)),
        temporary=str(engine.temporary),
        ready=ready,
        fingerprint=fingerprint,
    )
    temporary = state / "instance.json.tmp"
    temporary.write_text(json.dumps(asdict(instance)), encoding="utf-8")
    temporary.replace(state / "instance.json")


def _began(process: psutil.Process) -> float:
    """Return the start of a process, in seconds after the boot.

    psutil adds the time of the boot, which changes when the clock is set.
    """
    return float(process.create_time() - psutil.boot_time())


def _runs(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(_began(process) - started) < 0.5 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
