"""A container engine for the tests: the one that runs, or one that we start and end."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

PROGRAMS = ("docker", "docker-compose", "debootstrap")
BASE_IMAGE = "refund-classifier-test-base:bookworm"
_USERS = Path("/run/refund-classifier-test-engine.lock")  # whoever tests holds it shared; the last one ends the engine
_TURN = _USERS.with_suffix(".turn")  # to start or to end it
_PID = Path("/run/refund-classifier-test-engine.pid")
_LOG = Path(tempfile.gettempdir()) / "refund-classifier-test-engine.log"
_SECONDS_TO_START = 120


def why_not() -> str | None:
    """Say why no container can be run here; None if they can."""
    if os.geteuid() != 0:
        return "building a base image needs root"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if shutil.which("dockerd") is None and not _answers():
        missing.append("dockerd")
    return f"{', '.join(missing)} not installed (Debian: docker.io docker-compose debootstrap)" if missing else None


@contextmanager
def running_engine() -> Iterator[None]:
    """Have an engine run for the block; what we started ends with the last test session that uses it."""
    with _TURN.open("a") as turn, _USERS.open("a") as users:
        fcntl.flock(turn, fcntl.LOCK_EX)  # of two sessions one starts it
        fcntl.flock(users, fcntl.LOCK_SH)
        if not _answers():
            _start()
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(turn, fcntl.LOCK_EX)
            with suppress(BlockingIOError):  # another session goes on
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop()


def base_image() -> str:
    """Return the name of a Debian without Python, made once a machine."""
    with _USERS.with_suffix(".base").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not docker("images", "--quiet", BASE_IMAGE):
            _make_base()
    return BASE_IMAGE


def docker(*arguments: str, check: bool = True) -> str:
    """Run ``docker`` and return what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def size_mb(image: str) -> float:
    """Return an image's unpacked size."""
    return int(docker("inspect", "--format", "{{.Size}}", image)) / 1e6


def _answers() -> bool:
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def _start() -> None:
    with _LOG.open("wb") as log:
        # A process of its own: it may outlive the session that started it.
        command = ["setsid", "--fork", "dockerd", "--pidfile", str(_PID)]
        subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=True)
    deadline = time.monotonic() + _SECONDS_TO_START
    while not _answers():
        assert time.monotonic() < deadline, f"dockerd did not start:\n{_LOG.read_text()[-6000:]}"
        time.sleep(0.2)


def _stop() -> None:
    """End the engine if it is one that we started, whichever session did."""
    try:
        engine = psutil.Process(int(_PID.read_text()))
        if engine.name() != "dockerd":
            return  # ours ended by itself, and its number is another's
        engine.terminate()
    except (FileNotFoundError, psutil.NoSuchProcess):
        return
    deadline = time.monotonic() + _SECONDS_TO_START
    while _runs(engine) and time.monotonic() < deadline:
        time.sleep(0.1)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _make_base() -> None:
    with tempfile.TemporaryDirectory(prefix="refund-base-") as temporary:
        root = Path(temporary) / "root"
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", "bookworm", str(root)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr
        for leftover in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
            shutil.rmtree(root / leftover)  # the published slim images lack these as well
        (root / "var/cache/apt/archives/partial").mkdir(parents=True)
        (root / "var/lib/apt/lists/partial").mkdir(parents=True)
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as packed:
            subprocess.run(
                ["docker", "import", "-", BASE_IMAGE], stdin=packed.stdout, check=True, stdout=subprocess.DEVNULL
            )
        assert packed.returncode == 0
