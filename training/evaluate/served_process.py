"""Run an unpacked archive as TorchServe does; :mod:`training.evaluate.served` starts this in an isolated interpreter.

Usage: python -I served_process.py ARCHIVE_FOLDER

Standard input carries batches: the number of photos, then the length and the bytes of each (unsigned 32-bit numbers,
big-endian). Standard output carries JSON lines: first the handler's description of itself, then a line per batch with a
list of ``{"status": HTTP status, "answer": the body}``.
"""

import json
import os
import struct
import sys
from pathlib import Path
from typing import Any

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))

from image_handler import ImageHandler  # type: ignore[import-not-found]  # noqa: E402  (the archive comes first)

from handler.offline import Context  # noqa: E402


class AskingForProbabilities(Context):
    """Requests that ask for all probabilities; archives without the order check ignore the header."""

    def get_all_request_header(self, index: int) -> dict[str, str]:
        """Return the headers of a row."""
        return {**super().get_all_request_header(index), "X-Probabilities": "1"}


def _number() -> int | None:
    """Read a length; None at the end of the input."""
    packed = sys.stdin.buffer.read(4)
    return struct.unpack("!I", packed)[0] if len(packed) == 4 else None


def _batches() -> Any:
    while (count := _number()) is not None:
        yield [{"body": bytearray(sys.stdin.buffer.read(_number() or 0))} for _ in range(count)]


answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # the output of libraries must not mix with the answers
context = AskingForProbabilities(folder)
handler = ImageHandler()
handler.initialize(context)
print(json.dumps(handler.describe()), file=answers, flush=True)
for rows in _batches():
    bodies = handler.handle(rows, context)
    line = [{"status": context.statuses[i], "answer": json.loads(body)} for i, body in enumerate(bodies)]
    print(json.dumps(line), file=answers, flush=True)
