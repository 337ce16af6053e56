"""What a run needs of the place where the photos lie, whatever kind of place it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol

CHUNK = 1 << 20  # bytes read at once
# Size in bytes, then what changes with the content, such as times in the unit of the place. While it stays the same,
# nobody is writing.
State = tuple[int, ...]


class SourceLost(OSError):
    """The source as a whole can no longer be reached, not just one of its files."""


class SourceFile(Protocol):
    """One file of a source.

    Attributes:
        state_is_proof: each change of the content changes :meth:`state`, whose third part is then the time of change
            in nanoseconds.
    """

    state_is_proof: ClassVar[bool]

    @property
    def filename(self) -> str:
        """Path relative to the source, with ``/``; bytes that are no UTF-8 as ``\\xNN``."""

    def chunks(self) -> Iterator[bytes]:
        """Read it as a stream.

        Raises:
            OSError: it cannot be read; a :class:`SourceLost` when none of its neighbours can either.
        """

    def state(self) -> State | None:
        """Return its state now; None where that cannot be seen or tells nothing about it."""

    def watch(self) -> tuple[State | None, float]:
        """Return its state, now or earlier, and for how many seconds from now it has to stay so to count as whole."""

    def rename(self, place: Path) -> bool:
        """Move it to a place on this machine; false where it would have to be copied."""

    def unlink(self) -> None:
        """Remove it; no error where it is gone already.

        Raises:
            OSError: it cannot be removed.
        """


class Source(Protocol):
    """A place with photos.

    Attributes:
        name: under which it is stored: an absolute path, or a URL without user and password.
        readers: files that are best read at once.
        is_nowhere: it was listed, and nothing tells whether there is such a place: an object store has no folders,
            only names that begin alike.
    """

    name: str
    readers: int
    is_nowhere: bool

    def files(self) -> Iterator[SourceFile]:
        """Go through the files that may be photos, in a fixed order.

        Raises:
            SourceError: it cannot be listed; raised at once, not at the first step.
        """

    def open_manifest(self, name: str) -> BinaryIO | None:
        """Open a CSV file in the root; None where there is none.

        Raises:
            OSError: it cannot be read.
        """

    def contains(self, path: Path) -> bool:
        """Tell whether a path of this machine lies inside."""

    def close(self) -> None:
        """Close the connections."""
