"""The bytes of photos that a run holds at once, within a budget."""

import threading
from collections.abc import Callable

from batch_client.stop import Stopped

_UNKNOWN_SIZE = 8 << 20  # bytes that are reserved for a photo whose size is known only after it was read


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
