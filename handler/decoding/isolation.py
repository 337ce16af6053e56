"""Decode photos in processes that can be killed: one for each photo, forked from one that is ready.

Code that holds Python's lock cannot be interrupted from within its process, and a decoder that fails in native code
takes its process along. So one small process, without threads, imports the decoders and waits; for each photo it forks
a child with limits of processor time and memory of its own. Nothing that happens in the child reaches the worker or
the next photo.
"""

import atexit
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from handler.decoding.limits import DecodedPhoto, Limits, Wanted
from handler.decoding.wire import Message, receive, send
from handler.errors import ErrorCode, PhotoError

log = logging.getLogger("handler")

CPU_S = 4.0  # processor seconds for one photo; the largest that the limits allow take 3
MEMORY_MB = 600  # for one photo beside what the waiting process has; the largest take some 400
_SMALL_MEMORY_MB = 300  # for one that need not wait for its turn, of which there may be as many as threads
_LARGE = 16_000_000  # pixels held by a decoder
_WALL_S = 15.0  # a busy machine is no fault of the photo's, but somebody waits for the answer
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "LANG", "LC_ALL", "TMPDIR")
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from handler.decoding.child import main; main(int(sys.argv[2]))"
)
_FOLDER = Path(__file__).parents[2]  # of the package: the repository, or an unpacked archive


def busy() -> PhotoError:
    """Return the refusal of a photo that was not reached."""
    message = "Too many large photos came at once; this one was not reached. Try again later."
    return PhotoError(ErrorCode.BUSY, message)


def too_costly() -> PhotoError:
    """Return the refusal of a photo whose decoder was ended."""
    message = f"The photo takes more than {CPU_S:.0f} s or {MEMORY_MB} MB to decode, or its decoder fails at it."
    return PhotoError(ErrorCode.TOO_COSTLY, f"{message} Save it as a baseline JPEG.")


class DecoderProcess:
    """The process that waits, and the photos that its children decode.

    Args:
        cpu_s: processor seconds for one photo.
        memory_mb: for one photo.
    """

    def __init__(self, cpu_s: float = CPU_S, memory_mb: int = MEMORY_MB) -> None:
        self._cpu_s = cpu_s
        self._memory_mb = memory_mb
        self._lock = threading.Lock()
        self._large_photo = threading.Lock()  # the memory of one is bounded, the number of threads is not
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.stop)

    def start(self) -> None:
        """Start the process, unless it runs."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._close()
                self._start()

    def stop(self) -> None:
        """End the process; children at work end by their limits."""
        with self._lock:
            self._close()

    def decode(
        self,
        data: bytes | bytearray,
        limits: Limits,
        wanted: Wanted,
        deadline: float,
    ) -> DecodedPhoto:
        """Decode one photo in a child; the arguments are those of :func:`handler.decoding.decode.decode_photo`.

        Raises:
            PhotoError: as there.
            RuntimeError: a fault of ours in the child; the message holds its trace.
        """
        request: Message = {
            "limits": asdict(limits),
            "wanted": asdict(wanted),
            "cpu_s": self._cpu_s,
            "memory_mb": self._memory_mb,
            "small_memory_mb": min(_SMALL_MEMORY_MB, self._memory_mb),
            "large": _LARGE,
        }
        for _ in range(2):  # the waiting process may have ended; a new one is started once
            with self._child() as job:
                if job is None:
                    continue
                child = 0
                try:
                    child = int(receive(job)[0]["pid"])
                    send(job, request, data)
                    return self._answer(job, deadline)
                except TimeoutError:
                    _kill(child)
                    raise busy() from None
                except (EOFError, OSError):
                    if child:  # it had begun: its photo ended it
                        raise too_costly() from None
        log.error("the process that decodes photos cannot be started")
        raise busy()

    def _answer(self, job: socket.socket, deadline: float) -> DecodedPhoto:
        """Wait for a child's answer; a large photo waits for its turn first."""
        message, pixels = receive(job)
        if "large" not in message:
            return _decoded(message, pixels)
        with self.one_large_photo(deadline):
            job.settimeout(_WALL_S)
            send(job, {"go": True})
            return _decoded(*receive(job))

    @contextmanager
    def one_large_photo(self, deadline: float) -> Iterator[None]:
        """Wait until no other large photo is decoded.

        Raises:
            PhotoError: 503 ``busy``: it did not come to that.
        """
        left = max(0.0, deadline - time.monotonic())
        if not self._large_photo.acquire(timeout=min(left, threading.TIMEOUT_MAX)):
            raise busy()
        try:
            yield
        finally:
            self._large_photo.release()

    @contextmanager
    def _child(self) -> Iterator[socket.socket | None]:
        """Have a child forked; gives the connection to it, None where nobody is there to fork one."""
        self.start()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(_WALL_S)
            control = self._control
            try:
                if control is None:
                    yield None
                    return
                socket.send_fds(control, [b"p"], [theirs.fileno()])
            except OSError:  # it has ended since
                yield None
                return
            theirs.close()
            yield ours

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
            # One thread and one arena: the process is forked, and its children's address space is bounded.
            environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(_FOLDER), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # Ctrl-C in a terminal is the worker's business
            )
        self._control = ours

    def _close(self) -> None:
        if self._control is not None:
            self._control.close()  # the process reads its end and leaves
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _forget(self) -> None:
        """Leave the process to the one that started it: this is a fork of that."""
        self._lock, self._large_photo = threading.Lock(), threading.Lock()
        if self._control is not None:
            self._control.close()
        self._control = self._process = None


def _decoded(message: Message, pixels: bytes | bytearray) -> DecodedPhoto:
    if "error" in message:
        raise PhotoError(ErrorCode(message["error"]), message["message"])
    if "trace" in message:
        raise RuntimeError(message["trace"])
    images, begin = [], 0
    for width, height in message["sizes"]:
        end = begin + 3 * width * height
        images.append(Image.frombytes("RGB", (width, height), bytes(pixels[begin:end])))
        begin = end
    return DecodedPhoto(images[0], message["orientation"], *images[1:])


def _kill(child: int) -> None:
    if child:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
