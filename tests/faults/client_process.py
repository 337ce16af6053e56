"""Run the batch client in forks of one process, with one failing call each.

It reads a JSON object a line from standard input and answers with one a line: a fork begins in the time of a fork,
where a program of its own would import for a second. The process has to be started with LD_PRELOAD.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Any

from batch_client.cli import app
from batch_client.inference.retry import RetryPolicy
from batch_client.pipeline.lifecycle import Tuning
from batch_client.sources import manifest_file, source

_PATIENCE_S = 120
_KINDS = ("open", "read", "write", "fsync", "rename", "unlink")


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    for name in ("fault_calls", "fault_fired"):
        getattr(library, name).restype = ctypes.c_long
    library.fault_first_failed.restype = ctypes.c_char_p
    library.fault_arm.argtypes = (ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_char_p)
    return library


def _run(library: ctypes.CDLL, order: dict[str, Any], answer: int) -> None:
    """Run the client in this fork, write what happened into a pipe, and end the process."""
    signal.alarm(_PATIENCE_S)  # a run that hangs ends by this signal, and the test says so
    os.environ.update(order["environment"])
    log = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    library.fault_arm(
        _KINDS.index(order["kind"]), order["number"], order["error"], order["sticky"], order["folder"].encode()
    )
    code = 0
    try:
        app(["run"], obj=Tuning(retry=RetryPolicy(first_pause_s=0.001), group=2))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    library.fault_disarm()
    sys.stdout.flush()
    said = {"calls": library.fault_calls(), "fired": library.fault_fired()}
    os.write(answer, json.dumps({**said, "failed": library.fault_first_failed().decode()}).encode())
    os._exit(code)


def main() -> None:
    """Serve orders until standard input ends."""
    library = _library()
    source.STABLE_SECONDS = manifest_file.STABLE_SECONDS = 0
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _run(library, json.loads(line), writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"code": code, **json.loads(said or b"{}")}), flush=True)


if __name__ == "__main__":
    main()
