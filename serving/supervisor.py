"""Keeps one engine running, drains and ends it properly; the parent of Java, in the foreground."""

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
EXIT_ENGINE_FAILED = 70  # EX_SOFTWARE: whoever restarts us on failure shall do so
EXIT_ALREADY_RUNNING = 75  # EX_TEMPFAIL


@dataclass(frozen=True)
class Instance:
    """Who runs the service of a state folder, as written to ``instance.json``.

    Attributes:
        supervisor: process id of the supervisor.
        supervisor_started: when that process began, seconds after the machine; process ids are used again.
        java: process id of Java, which is also the id of its process group.
        java_started: likewise.
        temporary: folder of the engine's unpacked archives and sockets.
        ready: a real prediction was answered.
        fingerprint: of what is served.
    """

    supervisor: int
    supervisor_started: float
    java: int
    java_started: float
    temporary: str
    ready: bool
    fingerprint: str

    def supervisor_alive(self) -> bool:
        """Tell whether the process that wrote this still runs."""
        return _runs(self.supervisor, self.supervisor_started)

    def java_alive(self) -> bool:
        """Tell whether Java still runs."""
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
    """Read who runs the service of a state folder; None when nobody does or did."""
    try:
        return Instance(**json.loads((state / "instance.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def supervise(settings: ServingSettings) -> int:
    """Run the engine until a signal asks for its end or it ends by itself; return the exit code.

    SIGTERM or SIGINT drains; a further SIGINT, a second Ctrl-C, does not wait for that.

    0 after such a signal; 70 when the engine did not get ready or ended unasked; 75 when another supervisor holds
    the state folder.
    """
    settings.require_archive()
    settings.state.mkdir(parents=True, exist_ok=True)
    with (settings.state / "lock").open("w") as lock:
        if not _lock(lock):
            print(f"serving: another service runs from {settings.state}", file=sys.stderr)
            return EXIT_ALREADY_RUNNING
        logs.set_up(settings.log_file)
        stopped, hurried = threading.Event(), threading.Event()
        _on_signal(stopped, hurried)
        fingerprint = settings.fingerprint()
        engine = Engine(settings)
        try:
            _write_instance(engine, fingerprint, ready=False)
            if not _watch(engine, stopped, fingerprint):
                return EXIT_ENGINE_FAILED
            return _drain(engine, hurried)
        finally:
            engine.stop()
            (settings.state / "instance.json").unlink(missing_ok=True)


def _watch(engine: Engine, stopped: threading.Event, fingerprint: str) -> bool:
    """Wait for readiness, then for the end; tell whether a signal asked for it."""
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
    """Wait for the end of an engine that was ready; tell whether a signal asked for it.

    The engine gives a worker up that dies again and again (``maxRetryTimeoutInSec``), and lives on without one; nobody
    is served by that.
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


def _drain(engine: Engine, hurried: threading.Event) -> int:
    """Let the engine finish what it has begun; return the exit code."""
    log.info("draining: what was begun is finished, new requests are declined")
    log.info(engine.drain(hurried))
    return EXIT_ENGINE_FAILED if _has_ended(engine) else 0


def _has_ended(engine: Engine) -> bool:
    """Tell, and log, whether Java ended unasked."""
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


def _on_signal(stopped: threading.Event, hurried: threading.Event) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        if stopped.is_set() and number == signal.SIGINT:
            hurried.set()
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
    """Return when a process began, in seconds after the machine did.

    psutil adds to this the time at which the machine began, which moves when somebody sets the clock.
    """
    return float(process.create_time() - psutil.boot_time())


def _runs(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(_began(process) - started) < 0.5 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
