"""Photos that lie behind a URL."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from queue import LifoQueue
from typing import Any, BinaryIO, ClassVar, NamedTuple, NoReturn, cast

from batch_client.errors import SourceError
from batch_client.sources.manifest_file import is_manifest_name
from batch_client.sources.names import IgnoreRules, printable, without_live_videos
from batch_client.sources.source import CHUNK, SourceFile, SourceLost, State, UnlistedFolder

FileSystem = Any  # fsspec is not typed; each kind of place has its own
_LINES_AT_ONCE = 500
_CONNECTIONS = 4  # open at once; an SSH server refuses from the tenth on that comes at the same time


class Listed(NamedTuple):
    """One entry of a listing.

    Attributes:
        path: relative to the root.
        state: of the file; None where a file appears only when it is whole.
        problem: why the folder at this path, or what follows it, could not be listed; None for a file.
    """

    path: str
    state: State | None = None
    problem: str | None = None


class RemoteFolder:
    """What the places behind a URL have in common; each says how it is listed.

    fsspec has no listing page by page: its ``find`` and ``ls`` build a whole folder in memory. So what is found is
    written to a temporary file at once, and each kind of place lists in the leanest way that its protocol has.

    Args:
        name: the URL without user and password.
        root: path in the file system.
        connect: returns a file system.
        rules: names that are left out.
    """

    max_concurrent_reads = _CONNECTIONS
    may_not_exist = False

    def __init__(
        self, name: str, root: str, connect: Callable[[], FileSystem], rules: IgnoreRules | None = None
    ) -> None:
        self.name = printable(name)
        self.root = root
        self.rules = rules or IgnoreRules()
        self.ignored: Counter[str] = Counter()
        self.connections = Connections(connect)
        self.listed_at = 0.0  # by time.monotonic()
        self._listing: BinaryIO | None = None
        self._manifests: list[Listed] = []

    def files(self) -> Iterator[SourceFile]:
        """List it, once: the same files at each call."""
        return self._read(self._listed())

    def manifests(self) -> list[SourceFile]:
        """Return what the listing saw."""
        self._listed()
        return [self._file(entry) for entry in self._manifests]

    def paths(self, fs: FileSystem) -> Iterator[Listed]:
        """Yield every regular file below the root, in a fixed order."""
        raise NotImplementedError

    def open(self, fs: FileSystem, path: str) -> BinaryIO:
        """Open a file for reading."""
        raise NotImplementedError

    def state(self, fs: FileSystem, path: str) -> State:
        """Return a file's state, where one that is listed has one."""
        raise NotImplementedError

    def remove(self, fs: FileSystem, path: str) -> None:
        """Remove a file."""
        fs.rm_file(path)

    def file(self, path: str, listed: Sequence[int] | None = None) -> SourceFile:
        """Return the file at a path relative to the root; ``listed`` is its state in the listing."""
        return RemoteFile(self, path, listed)

    def file_at(self, path: str) -> SourceFile:
        """Return the file at a path."""
        return self.file(path)

    def contains(self, path: Path) -> bool:
        """Nothing of this machine lies there."""
        return False

    def close(self) -> None:
        """Close the connections."""
        if self._listing is not None:
            self._listing.close()
        self.connections.close()

    def check(self) -> None:
        """Raise if the place as a whole cannot be reached."""
        with self.connections.borrowed() as fs:
            next(iter(self.paths(fs)), None)

    def _listed(self) -> BinaryIO:
        if self._listing is None:
            self._listing = self._list()
            self.listed_at = time.monotonic()
        return self._listing

    def _read(self, listing: BinaryIO) -> Iterator[SourceFile]:
        """Yield the files of the listing; several readers may take turns."""
        position = 0
        while True:
            listing.seek(position)
            lines = list(islice(listing, _LINES_AT_ONCE))
            position = listing.tell()
            if not lines:
                return
            yield from (self._file(Listed(*json.loads(line))) for line in lines)

    def _file(self, entry: Listed) -> SourceFile:
        if entry.problem is not None:
            return UnlistedFolder(printable(entry.path), entry.problem)
        return self.file(entry.path, entry.state)

    def _list(self) -> BinaryIO:
        listing = tempfile.TemporaryFile()  # noqa: SIM115 - close() does
        try:
            with self.connections.borrowed() as fs:
                for entry in without_live_videos(self._photos(fs), lambda entry: entry.path, self.ignored):
                    listing.write(json.dumps(entry).encode() + b"\n")  # a name may hold a line break
        except Exception as error:  # each library has errors of its own
            listing.close()
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                raise SourceError(f"{self.name} is no folder. Name the folder with the photos.") from error
            raise SourceError(f"{self.name} cannot be listed: {sentence(error)}.") from error
        return cast(BinaryIO, listing)

    def _photos(self, fs: FileSystem) -> Iterator[Listed]:
        for entry in self.paths(fs):
            if is_manifest_name(entry.path):
                self._manifests.append(entry)
            elif pattern := self.rules.match_path(entry.path):
                self.ignored[pattern] += 1
            else:
                yield entry


class RemoteFile:
    """One file behind a URL; see :class:`~batch_client.sources.source.SourceFile`."""

    state_is_proof: ClassVar[bool] = False
    can_rename: ClassVar[bool] = False

    def __init__(self, folder: RemoteFolder, path: str, listed: Sequence[int] | None = None) -> None:
        self._folder = folder
        self._listed = None if listed is None else (listed[0], listed[1])
        self._path = f"{folder.root.rstrip('/')}/{path}"
        self.filename = printable(path)

    def chunks(self) -> Iterator[bytes]:
        """Read it as a stream; once more if the connection broke before the first byte."""
        for is_last in (False, True):
            begun = False
            try:
                with self._folder.connections.borrowed() as fs, self._folder.open(fs, self._path) as file:
                    while chunk := file.read(CHUNK):
                        begun = True
                        yield chunk
                return
            except FileNotFoundError:
                raise
            except Exception as error:
                if begun or is_last or isinstance(error, PermissionError):
                    self._raise(error)

    def watch(self, seconds: float) -> tuple[State | None, float]:
        """Return its state when it was listed: no clock but ours counts the seconds since."""
        if self._listed is None:
            return None, 0.0
        return self._listed, max(0.0, self._folder.listed_at + seconds - time.monotonic())

    def age(self) -> float | None:
        """Return the seconds since it was last written, by our clock; None if it appears only when it is whole."""
        return None if self._listed is None else time.time() - self._listed[1]

    def state(self) -> State | None:
        """Return its state now."""
        if self._listed is None:
            return None
        try:
            with self._folder.connections.borrowed() as fs:
                return self._folder.state(fs, self._path)
        except Exception:
            return None  # reading it will say why

    def rename(self, place: Path) -> bool:
        """It has to be copied."""
        return False

    def unlink(self) -> None:
        """Remove it."""
        try:
            with self._folder.connections.borrowed() as fs, suppress(FileNotFoundError):
                self._folder.remove(fs, self._path)
        except Exception as error:
            self._raise(error)

    def _raise(self, error: Exception) -> NoReturn:
        """Raise a library's error as one of the operating system's, which all sources have."""
        try:
            self._folder.check()
        except Exception as second:
            raise SourceLost(sentence(second)) from error
        if isinstance(error, PermissionError):
            raise error
        raise OSError(sentence(error)) from error


class Connections:
    """A few file systems, lent to one thread at a time; one on which something went wrong is not used again."""

    def __init__(self, connect: Callable[[], FileSystem]) -> None:
        self._connect = connect
        self._free: LifoQueue[FileSystem | None] = LifoQueue()
        for _ in range(_CONNECTIONS):
            self._free.put(None)

    @contextmanager
    def borrowed(self) -> Iterator[FileSystem]:
        """Lend a file system, connected if need be."""
        fs = self._free.get()
        try:
            fs = fs or self._connect()
            yield fs
        except (FileNotFoundError, PermissionError):
            raise
        except Exception:
            _close(fs)
            fs = None
            raise
        finally:
            self._free.put(fs)

    def close(self) -> None:
        """Close those that are free."""
        while not self._free.empty():
            _close(self._free.get())


def sentence(error: Exception) -> str:
    """Say in one line what a library's error says in many."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _close(fs: FileSystem | None) -> None:
    close = getattr(fs, "close", None)
    if close is not None:
        close()
