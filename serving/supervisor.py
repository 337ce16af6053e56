"""Keeps one engine running and ends it properly; the parent of Java, in the foreground."""

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

from serving.engine import Engine
from serving.settings import ServingSettings

EXIT_ENGINE_FAILED = 70  # EX_SOFTWARE: whoever restarts us on failure shall do so
EXIT_ALREADY_RUNNING = 75  # EX_TEMPFAIL


@dataclass(frozen=True)
class Instance:
    """Who runs the service of a state folder, as written to ``instance.json``.

    Attributes:
        supervisor: process id of the supervisor.
        supervisor_started: when that process was created, seconds since 1970; process ids are used again.
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


def read_instance(state: Path) -> Instance | None:
    """Read who runs the service of a state folder; None when nobody does or did."""
    try:
        return Instance(**json.loads((state / "instance.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def supervise(settings: ServingSettings) -> int:
    """Run the engine until a signal asks for its end or it ends by itself; return the exit code.

    0 after SIGTERM or SIGINT; 70 when the engine did not get ready or ended unasked; 75 when another
    supervisor holds the state folder.
    """
    settings.state.mkdir(parents=True, exist_ok=True)
    with (settings.state / "lock").open("w") as lock:
        if not _lock(lock):
            print(f"serving: another service runs from {settings.state}", file=sys.stderr)
            return EXIT_ALREADY_RUNNING
        stopped = threading.Event()
        _on_signal(stopped)
        fingerprint = settings.fingerprint()
        engine = Engine(settings)
        try:
            _write_instance(engine, fingerprint, ready=False)
            return _watch(engine, stopped, fingerprint)
        finally:
            engine.stop()
            (settings.state / "instance.json").unlink(missing_ok=True)


def _watch(engine: Engine, stopped: threading.Event, fingerprint: str) -> int:
    """Wait for readiness, then for the end; return the exit code."""
    timeout = engine.settings.startup_timeout
    deadline = time.monotonic() + timeout
    ready = False
    while not stopped.wait(0.1):
        if (code := engine.process.poll()) is not None:
            print(f"serving: TorchServe ended by itself with code {code}", file=sys.stderr)
            return EXIT_ENGINE_FAILED
        if ready:
            continue
        if ready := engine.is_ready():
            _write_instance(engine, fingerprint, ready)
        elif time.monotonic() > deadline:
            print(f"serving: TorchServe answered no prediction within {timeout:.0f} s", file=sys.stderr)
            return EXIT_ENGINE_FAILED
    return 0


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _on_signal(stopped: threading.Event) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _write_instance(engine: Engine, fingerprint: str, ready: bool) -> None:
    state = engine.settings.state
    own, java = os.getpid(), engine.process.pid
    instance = Instance(
        supervisor=own,
        supervisor_started=psutil.Process(own).create_time(),
        java=java,
        java_started=psutil.Process(java).create_time(),
        temporary=str(engine.temporary),
        ready=ready,
        fingerprint=fingerprint,
    )
    temporary = state / "instance.json.tmp"
    temporary.write_text(json.dumps(asdict(instance)), encoding="utf-8")
    temporary.replace(state / "instance.json")


def _runs(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
