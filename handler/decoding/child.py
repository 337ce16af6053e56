"""The process that waits for photos and forks a child for each: see :mod:`handler.decoding.isolation`."""

import contextlib
import gc
import io
import os
import resource
import signal
import socket
import traceback
from pathlib import Path

from PIL import Image

from handler.decoding.in_process import decode_in_process
from handler.decoding.limits import DecodedPhoto, Limits, Wanted
from handler.decoding.wire import Message, receive, send
from handler.errors import PhotoError

_LONGEST_LIFE_S = 60  # of a child, whatever it waits for


def main(control_descriptor: int) -> None:
    """Fork a child for each connection that comes in, until the worker is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children leave nothing behind
    _warm_up()
    gc.collect()
    gc.freeze()  # the collector would copy every page that is shared with the children
    with socket.socket(fileno=control_descriptor) as control:
        while True:
            word, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not word:
                return
            for descriptor in descriptors:
                with socket.socket(fileno=descriptor) as job, contextlib.suppress(OSError):  # no memory for a child
                    if os.fork() == 0:
                        control.close()
                        _serve(job)


def _warm_up() -> None:
    """Decode a picture of each format that Pillow writes without threads, so that no child has to load its decoder."""
    limits = Limits(max_bytes=1 << 20, max_pixels=1 << 20, min_side=1, max_photos=1)
    for file_format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        photo = io.BytesIO()
        Image.new("RGB", (32, 32)).save(photo, file_format)
        decode_in_process(photo.getvalue(), limits, Wanted(16))


def _serve(job: socket.socket) -> None:
    """Decode one photo and end."""
    with contextlib.suppress(BaseException):
        signal.alarm(_LONGEST_LIFE_S)
        send(job, {"pid": os.getpid()})
        request, content = receive(job)
        photo = bytes(content)
        del content
        _limit_time(request["cpu_s"])
        answer, pixels = _answer(job, request, photo)
        send(job, answer, pixels)
    os._exit(0)


def _answer(job: socket.socket, request: Message, photo: bytes) -> tuple[Message, bytes]:
    def before_pixels(pixels: int) -> None:
        if pixels > request["large"]:
            send(job, {"large": True})
            receive(job)
            _limit_memory(request["memory_mb"])

    try:
        _limit_memory(request["small_memory_mb"])
        decoded: DecodedPhoto = decode_in_process(
            photo, Limits(**request["limits"]), Wanted(**request["wanted"]), before_pixels
        )
        images = [image for image in (decoded.image, decoded.larger) if image is not None]
        answer: Message = {"sizes": [image.size for image in images], "orientation": decoded.orientation}
        return answer, b"".join(image.tobytes() for image in images)
    except PhotoError as error:
        return {"error": error.code.value, "message": error.message}, b""
    except MemoryError:
        os._exit(1)  # the worker says what that means
    except Exception:
        return {"trace": traceback.format_exc()}, b""


def _limit_time(seconds: float) -> None:
    """Have the system end this process after so much processor time, whatever code runs then."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # Linux: where memory runs out, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limit_memory(megabytes: int) -> None:
    """Bound what this process takes beside what it has already; MemoryError or the decoder's own error follows."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return  # macOS does not hold a process to its address space
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + megabytes * 1_000_000, hard))
