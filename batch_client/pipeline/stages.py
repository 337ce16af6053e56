"""The threads of a run, and the one queue through which they hand back what they finished."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from batch_client.inference.retry import MOST_IN_FLIGHT

_DISK_THREADS = 4  # each picture is synced to the disk, which takes time but no processor
Then = Callable[[Future[Any]], None]


class Stage:
    """A pool of threads for one step of the pipeline.

    Attributes:
        pool: the threads.
        in_progress: pieces of work that were submitted and whose result nobody took yet.
    """

    def __init__(self, threads: int, finished: "SimpleQueue[tuple[Stage, Then, Future[Any]]]") -> None:
        self.pool = ThreadPoolExecutor(threads)
        self.in_progress = 0
        self._finished = finished

    def submit(self, then: Then, work: Callable[..., object], *arguments: object) -> None:
        """Start a piece of work; :meth:`Stages.take_finished` calls ``then`` with its result."""
        self.in_progress += 1
        future = self.pool.submit(work, *arguments)
        future.add_done_callback(lambda done: self._finished.put((self, then, done)))


class Stages:
    """The four stages in which threads work on photos.

    Args:
        readers: files that are read at once.
    """

    def __init__(self, readers: int) -> None:
        self._finished: SimpleQueue[tuple[Stage, Then, Future[Any]]] = SimpleQueue()
        self.reading = Stage(readers, self._finished)
        self.sending = Stage(MOST_IN_FLIGHT, self._finished)
        self.fetching = Stage(MOST_IN_FLIGHT, self._finished)
        self.disk = Stage(_DISK_THREADS, self._finished)
        self._all = (self.reading, self.sending, self.fetching, self.disk)

    @property
    def in_progress(self) -> int:
        """Pieces of work in all stages."""
        return sum(stage.in_progress for stage in self._all)

    def take_finished(self) -> None:
        """Wait until a piece of work is done, and handle its result and those of all others that are done."""
        if not self.in_progress:
            return
        stage, then, future = self._finished.get()
        with suppress(Empty):
            while True:
                stage.in_progress -= 1
                then(future)
                stage, then, future = self._finished.get_nowait()

    def close(self) -> None:
        """Drop what has not begun, and wait for the rest."""
        for stage in self._all:
            stage.pool.shutdown(wait=False, cancel_futures=True)
        for stage in self._all:
            stage.pool.shutdown()
