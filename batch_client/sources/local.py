"""A folder of photos on this machine."""

import errno
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

from batch_client.errors import SourceError
from batch_client.sources.manifest_file import is_manifest_name
from batch_client.sources.names import IgnoreRules, printable, without_live_videos
from batch_client.sources.source import CHUNK, SourceFile, SourceLost, State, UnlistedFolder

_READERS = 2  # threads that hash: more only get into each other's way on a disk
# A link that took a file's place is not followed, and a pipe that did so does not block.
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class FoundFile:
    """One file of a folder; see :class:`~batch_client.sources.source.SourceFile`.

    Attributes:
        path: where it lies.
        filename: path relative to the source.
        root: the source; None for a file of ours.
    """

    path: Path
    filename: str
    root: Path | None = None
    state_is_proof: ClassVar[bool] = True
    can_rename: ClassVar[bool] = True

    def chunks(self) -> Iterator[bytes]:
        """Read it as a stream."""
        with self._open() as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def state(self) -> State | None:
        """Return size, time of modification and of change in nanoseconds, and inode."""
        try:
            status = self.path.lstat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino

    def watch(self, seconds: float) -> tuple[State | None, float]:
        """Return its state; it has to stay so if it was changed within the last seconds."""
        state = self.state()
        age = time.time() - state[1] / 1e9 if state is not None else seconds
        return state, seconds - age if 0 <= age < seconds else 0.0  # a time in the future says nothing

    def age(self) -> float | None:
        """Return the seconds since it was last written."""
        state = self.state()
        return time.time() - state[1] / 1e9 if state is not None else None

    def rename(self, place: Path) -> bool:
        """Move it; return False if the place is on another file system."""
        try:
            self.path.replace(place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
        return True

    def unlink(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)

    def _open(self) -> BinaryIO:
        """Open the regular file that lies there, without following a link at any part of the path below the root.

        Whoever may write into the folder can swap what was listed for a link or a pipe.
        """
        try:
            descriptor = self._descriptor()
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise OSError(error.errno, "a symbolic link has taken its place") from error
            raise
        file = os.fdopen(descriptor, "rb", buffering=0)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise OSError(errno.EINVAL, "it is not a regular file")
        return file

    def _descriptor(self) -> int:
        if self.root is None:
            return os.open(self.path, _OPEN)
        try:
            folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise SourceLost(errno.ENOENT, "the source is gone") from error
        *parents, name = _below(str(self.path), self.root).split("/")
        try:
            for parent in parents:
                outer, folder = folder, os.open(parent, os.O_DIRECTORY | _OPEN, dir_fd=folder)
                os.close(outer)
            return os.open(name, _OPEN, dir_fd=folder)
        finally:
            os.close(folder)


class Folder:
    """A folder of photos as a :class:`~batch_client.sources.source.Source`.

    Args:
        path: of the folder.
        rules: names that are left out.
    """

    max_concurrent_reads = _READERS
    may_not_exist = False

    def __init__(self, path: Path, rules: IgnoreRules | None = None) -> None:
        self._path = path.resolve()
        self._rules = rules or IgnoreRules()
        self.name = printable(str(self._path))
        self.ignored: Counter[str] = Counter()

    def files(self) -> Iterator[SourceFile]:
        """Walk it in a fixed order and yield every regular file that may be a photo.

        Whether it is one, the service decides: a suffix proves nothing. Ignored names and the manifest are left out;
        symbolic links are not followed.

        Raises:
            SourceError: it is not a folder, or cannot be listed; raised at once, not at the first step.
        """
        if not self._path.is_dir():
            raise SourceError(f"{self.name} is no folder. Name the folder with the photos, or set INBOX.")
        try:
            entries = _entries(self._path)
        except OSError as error:
            raise SourceError(f"{self.name} cannot be listed: {error.strerror}.") from error
        self.ignored = Counter()
        return self._walk([entry for entry in entries if not is_manifest_name(entry.name)], self.ignored)

    def manifests(self) -> list[SourceFile]:
        """List the root again: a manifest may have come since."""
        try:
            entries = _entries(self._path)
        except FileNotFoundError as error:
            raise SourceLost(errno.ENOENT, "the source is gone") from error
        return [
            self._found(entry)
            for entry in entries
            if is_manifest_name(entry.name) and entry.is_file(follow_symlinks=False)
        ]

    def file_at(self, path: str) -> SourceFile:
        """Return the file at a path; links on the way are not followed."""
        return FoundFile(self._path / path, printable(path), self._path)

    def contains(self, path: Path) -> bool:
        """Return True if a path lies inside."""
        return path.resolve().is_relative_to(self._path)

    def close(self) -> None:
        """Nothing is open."""

    def _walk(self, root: list[os.DirEntry[str]], ignored: Counter[str]) -> Iterator[SourceFile]:
        """Yield files depth first; a stack instead of recursion, because folders nest deeper than Python's calls."""
        stack = [self._not_ignored(root, ignored)]
        while stack:
            entry = next(stack[-1], None)
            if entry is None:
                stack.pop()
            elif entry.is_dir(follow_symlinks=False):
                try:
                    stack.append(self._not_ignored(_entries(Path(entry.path)), ignored))
                except OSError as error:
                    reason = f"the folder cannot be listed: {error.strerror or error}"
                    yield UnlistedFolder(self._found(entry).filename, reason)
            elif entry.is_file(follow_symlinks=False):
                yield self._found(entry)

    def _not_ignored(self, entries: list[os.DirEntry[str]], ignored: Counter[str]) -> Iterator[os.DirEntry[str]]:
        kept: list[os.DirEntry[str]] = []
        for entry in entries:
            if pattern := self._rules.match(entry.name):
                ignored[pattern] += 1
            else:
                kept.append(entry)
        return without_live_videos(kept, lambda entry: entry.name, ignored)

    def _found(self, entry: os.DirEntry[str]) -> FoundFile:
        return FoundFile(Path(entry.path), printable(_below(entry.path, self._path)), self._path)


def _below(path: str, root: Path) -> str:
    """Return a path relative to the folder that it lies in."""
    return path.removeprefix(str(root)).lstrip("/")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as listing:
        return sorted(listing, key=lambda entry: entry.name)
