"""What a run works with: threads that hand back what they finished through one queue, and a budget of memory."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from batch_client.inference.retry import MOST_IN_FLIGHT
from batch_client.stop import Stopped

_UNKNOWN_SIZE = 8 << 20  # bytes that are reserved for a photo whose size is known only after it was read
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


class HeldBytes:
    """The bytes of one photo; they count against the budget until :meth:`release`."""

    def __init__(self, reserved: int, give_back: Callable[[int], None]) -> None:
        self.data = bytearray()
        self._reserved = reserved
        self._give_back = give_back

    def trim(self) -> None:
        """Count what was read instead of what was reserved for it."""
        self._give_back(self._reserved - len(self.data))
        self._reserved = len(self.data)

    def release(self) -> None:
        """Give the memory back; a second time changes nothing."""
        self._give_back(self._reserved)
        self._reserved = 0
        self.data = bytearray()


class MemoryBudget:
    """A limit on the bytes that all photos in work take together.

    Photos get their share in the order in which they ask. A photo that is larger than the budget waits until nothing
    else is held, and then goes alone.

    Args:
        size: of the budget, in bytes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._held = 0
        self._closed = False
        self._changed = threading.Condition()
        self._turn = threading.Lock()

    def hold(self, size: int | None) -> HeldBytes:
        """Wait for room and reserve it.

        Args:
            size: of the photo, in bytes; None if that is not known before it is read.

        Raises:
            Stopped: the budget was closed.
        """
        wanted = min(_UNKNOWN_SIZE, self.size) if size is None else size
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._closed or self._held == 0 or self._held + wanted <= self.size)
            if self._closed:
                raise Stopped
            self._held += wanted
        return HeldBytes(wanted, self._give_back)

    def close(self) -> None:
        """End all waiting: the run unwinds."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _give_back(self, size: int) -> None:
        with self._changed:
            self._held -= size
            self._changed.notify_all()
