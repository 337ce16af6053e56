"""Whether a file is whole: nobody has written to it for some time."""

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TypeVar

from batch_client.sources.source import SourceFile

STABLE_SECONDS = 1.0  # a photo must stay unchanged for so long

File = TypeVar("File", bound=SourceFile)


def settle(files: Sequence[File], readers: Executor) -> list[File]:
    """Return the files that nobody is writing: their size and time stayed the same for ``STABLE_SECONDS``.

    Wait only if one of them may have changed within that time. A file whose state cannot be seen counts as settled;
    reading it will say why.
    """
    watched = [file.watch(STABLE_SECONDS) for file in files]
    time.sleep(max((seconds for _, seconds in watched), default=0.0))
    states = readers.map(lambda file: file.state(), files)
    return [file for file, (before, _), now in zip(files, watched, states, strict=True) if now is None or now == before]
