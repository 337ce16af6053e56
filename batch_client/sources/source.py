"""What a run needs of the place where the photos lie, whatever kind of place it is."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

CHUNK = 1 << 20  # bytes read at once
STABLE_SECONDS = 1.0  # a photo must stay unchanged for so long
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
        can_rename: :meth:`rename` may succeed.
    """

    state_is_proof: ClassVar[bool]
    can_rename: ClassVar[bool]

    @property
    def filename(self) -> str:
        """Path relative to the source, with ``/``; bytes that are not UTF-8 as ``\\xNN``."""

    def chunks(self) -> Iterator[bytes]:
        """Read it as a stream.

        Raises:
            OSError: it cannot be read; a :class:`SourceLost` if none of its neighbours can either.
        """

    def state(self) -> State | None:
        """Return its state now; None if that cannot be seen or says nothing about it."""

    def watch(self, seconds: float) -> tuple[State | None, float]:
        """Return its state, now or earlier, and how many seconds from now it has to stay so.

        Args:
            seconds: how long a file must stay unchanged to count as whole.
        """

    def age(self) -> float | None:
        """Return the seconds since it was last written; None if it appears only when it is whole, or is gone."""

    def rename(self, place: Path) -> bool:
        """Move it to a place on this machine; return False if it would have to be copied."""

    def unlink(self) -> None:
        """Remove it; no error if it is gone already.

        Raises:
            OSError: it cannot be removed.
        """


class Source(Protocol):
    """A place with photos.

    Attributes:
        name: under which it is stored: an absolute path, or a URL without user and password.
        max_concurrent_reads: how many files are best read at once.
        may_not_exist: it was listed, and nothing says whether there is such a place: an object store has no folders,
            only names that begin alike.
        ignored: how many files and folders the newest listing left out, by the pattern that their name matches.
    """

    name: str
    max_concurrent_reads: int
    may_not_exist: bool
    ignored: "Counter[str]"

    def files(self) -> Iterator[SourceFile]:
        """Go through the files that may be photos, in a fixed order.

        A folder that cannot be listed, or not to its end, stands among them as an :class:`UnlistedFolder`.

        Raises:
            SourceError: the source cannot be listed; raised at once, not at the first step.
        """

    def manifests(self) -> "list[SourceFile]":
        """Return the files in the root that are, or seem to be meant as, the manifest.

        Raises:
            OSError: the root cannot be listed.
        """

    def file_at(self, path: str) -> SourceFile:
        """Return the file at a path relative to the source, listed or not; reading it says whether it is there.

        Args:
            path: without empty parts, ``.`` and ``..``.
        """

    def contains(self, path: Path) -> bool:
        """Return True if a path of this machine lies inside."""

    def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True)
class UnlistedFolder:
    """A folder whose files are not known, or not all of them; a run reports it as a file that cannot be read.

    Attributes:
        filename: of the folder, or of the entry behind which the list could not be read.
        reason: a sentence without a full stop.
    """

    filename: str
    reason: str
    state_is_proof: ClassVar[bool] = False
    can_rename: ClassVar[bool] = False

    def chunks(self) -> Iterator[bytes]:
        """Raise the reason as an OSError."""
        raise OSError(self.reason)

    def state(self) -> State | None:
        """Return None: it has no state."""
        return None

    def watch(self, seconds: float) -> tuple[State | None, float]:
        """Return None, and nothing to wait for."""
        return None, 0.0

    def age(self) -> float | None:
        """Return None: it was not written."""
        return None

    def rename(self, place: Path) -> bool:
        """Return False: it stays where it is."""
        return False

    def unlink(self) -> None:
        """Raise an OSError: it stays where it is."""
        raise OSError(self.reason)


File = TypeVar("File", bound=SourceFile)


def count_files(source: Source, belongs: Callable[[str], bool]) -> int:
    """Count the files whose name belongs to a run.

    Raises:
        SourceError: the source cannot be listed.
    """
    return sum(belongs(file.filename) for file in source.files())


def settle(files: Sequence[File], readers: Executor) -> list[File]:
    """Return the files that nobody is writing: their size and time stayed the same for ``STABLE_SECONDS``.

    Wait only if one of them may have changed within that time. A file whose state cannot be seen counts as settled;
    reading it will say why.
    """
    watched = [file.watch(STABLE_SECONDS) for file in files]
    time.sleep(max((seconds for _, seconds in watched), default=0.0))
    states = readers.map(lambda file: file.state(), files)
    return [file for file, (before, _), now in zip(files, watched, states, strict=True) if now is None or now == before]


def sha256_of(file: SourceFile) -> tuple[str, int]:
    """Return a file's sha256 as hex and its size in bytes, read as a stream.

    Raises:
        OSError: it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    for chunk in file.chunks():
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size
