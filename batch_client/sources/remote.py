"""Photos that lie behind a URL, read through fsspec."""

import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import LifoQueue
from typing import Any, BinaryIO, ClassVar, NoReturn, TextIO

from batch_client.errors import SourceError
from batch_client.sources.local import SETTLE_SECONDS, is_ignored, printable
from batch_client.sources.manifest import FILE_NAME as MANIFEST
from batch_client.sources.source import CHUNK, SourceFile, SourceLost, State

FileSystem = Any  # fsspec is not typed
_CONNECTIONS = 4  # open at once; an SSH server refuses from the tenth on that comes at the same time


class RemoteFolder:
    """What the places behind a URL have in common; each says how it is listed.

    fsspec has no listing page by page: its ``find`` and ``ls`` build a whole folder in memory. So what is found is
    written to a temporary file at once, and each kind of place lists in the leanest way that its protocol has.

    Args:
        name: the URL without user and password.
        root: path in the file system.
        connect: returns a file system.
    """

    readers = _CONNECTIONS
    is_nowhere = False

    def __init__(self, name: str, root: str, connect: Callable[[], FileSystem]) -> None:
        self.name = printable(name)
        self.root = root
        self.connections = Connections(connect)
        self.listed_at = 0.0  # by time.monotonic()
        self._listing: TextIO | None = None

    def files(self) -> Iterator[SourceFile]:
        """List it, once: the same files at each call."""
        if self._listing is None:
            self._listing = self._list()
            self.listed_at = time.monotonic()
        self._listing.seek(0)
        return (self.file(*json.loads(line)) for line in self._listing)

    def paths(self, fs: FileSystem) -> Iterator[tuple[str, State | None]]:
        """Yield the path of every regular file relative to the root, and its state, in a fixed order.

        The state is None where a file appears only when it is whole.
        """
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

    def open_manifest(self, name: str) -> BinaryIO | None:
        """Read a CSV file in the root."""
        try:
            return io.BytesIO(b"".join(self.file(name).chunks()))
        except FileNotFoundError:
            return None

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

    def _list(self) -> TextIO:
        listing = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - close() does
        try:
            with self.connections.borrowed() as fs:
                for path, state in self.paths(fs):
                    if path != MANIFEST and not any(is_ignored(part) for part in path.split("/")):
                        listing.write(json.dumps([path, state]) + "\n")  # a name may hold a line break
        except Exception as error:  # each library has errors of its own
            listing.close()
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                raise SourceError(f"{self.name} is no folder. Name the folder with the photos.") from error
            raise SourceError(f"{self.name} cannot be listed: {sentence(error)}.") from error
        return listing


class RemoteFile:
    """One file behind a URL; see :class:`~batch_client.sources.source.SourceFile`."""

    state_is_proof: ClassVar[bool] = False

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

    def watch(self) -> tuple[State | None, float]:
        """Return its state when it was listed: no clock but ours counts the seconds since."""
        if self._listed is None:
            return None, 0.0
        return self._listed, max(0.0, self._folder.listed_at + SETTLE_SECONDS - time.monotonic())

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
    client = getattr(fs, "client", None)
    if client is not None:
        client.close()
