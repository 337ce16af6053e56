"""Photos in an object store: S3 and what speaks its language, Google Cloud Storage, Azure Blob Storage."""

import threading
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast
from weakref import finalize

from batch_client.sources.remote import FileSystem, RemoteFile, RemoteFolder
from batch_client.sources.source import CHUNK

_HELD_BYTES = 32 << 20  # kept in memory between hashing and sending, all photos together


class ObjectStore(RemoteFolder):
    """A bucket, or what lies below a prefix in it.

    Args:
        name: the URL.
        root: bucket and prefix.
        fs: its file system; one for all threads, as fsspec's asynchronous ones may be.
    """

    def __init__(self, name: str, root: str, fs: FileSystem) -> None:
        super().__init__(name, root, lambda: fs)
        self._room = _Room(_HELD_BYTES)

    def file(self, path: str, listed: Sequence[int] | None = None) -> RemoteFile:
        """Return the object at a path below the prefix."""
        return _Object(self, path, self._room)

    def open(self, fs: FileSystem, path: str) -> BinaryIO:
        """Open an object; s3fs reads no bytes of another one that has taken its place meanwhile."""
        return cast(BinaryIO, fs.open(path, "rb", block_size=CHUNK))

    def paths(self, fs: FileSystem) -> Iterator[tuple[str, None]]:
        """List page by page where the store is S3; the others by fsspec's common interface, folder by folder.

        Raises:
            NotADirectoryError: an object lies there.
            FileNotFoundError: no such bucket.
        """
        found = False
        for path in _s3_keys(fs, self.root) if fs.protocol[0] == "s3" else _walk(fs, self.root):
            found = True
            if path and not path.endswith("/"):  # what a console makes to show a folder
                yield path, None
        if not found and fs.isfile(self.root):
            raise NotADirectoryError(self.root)
        self.is_nowhere = not found and "/" in self.root


class _Object(RemoteFile):
    """An object; while there is room, what was hashed is kept until it is sent, and not fetched twice."""

    def __init__(self, store: RemoteFolder, path: str, room: "_Room") -> None:
        super().__init__(store, path)
        self._room = room
        self._is_read = False
        self._held: _Kept | None = None

    def chunks(self) -> Iterator[bytes]:
        """Read it as a stream, from the store; the first time, keep it."""
        kept = None if self._is_read else _Kept()
        self._is_read = True
        for chunk in super().chunks():
            if kept is not None and self._room.take(kept, len(chunk)):
                kept.append(chunk)
            else:
                kept = None
            yield chunk
        if kept is not None:
            self._held = kept

    def read_bytes(self) -> bytes:
        """Return what was kept, once, for it is sent then; else read it again."""
        held, self._held = self._held, None
        return super().read_bytes() if held is None else b"".join(held)


class _Kept(list[bytes]):
    """The chunks of an object; a plain list cannot tell when nobody needs it any more."""


class _Room:
    """Memory that many objects share."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._lock = threading.Lock()

    def take(self, owner: object, size: int) -> bool:
        """Take some, until its owner is garbage; false if there is not enough."""
        with self._lock:
            if size > self._free:
                return False
            self._free -= size
        finalize(owner, self._give, size)
        return True

    def _give(self, size: int) -> None:
        with self._lock:
            self._free += size


def _s3_keys(fs: FileSystem, root: str) -> Iterator[str]:
    bucket, _, prefix = root.partition("/")
    prefix = f"{prefix}/" if prefix else ""
    query = {"Bucket": bucket, "Prefix": prefix}
    while True:
        page = fs.call_s3("list_objects_v2", **query)
        yield from (entry["Key"].removeprefix(prefix) for entry in page.get("Contents", ()))
        if not page["IsTruncated"]:
            return
        query["ContinuationToken"] = page["NextContinuationToken"]


def _walk(fs: FileSystem, root: str) -> Iterator[str]:
    root = fs._strip_protocol(root).rstrip("/")
    try:
        for folder, _, names in fs.walk(root, on_error="raise"):
            below = folder.removeprefix(root).strip("/")
            yield from (f"{below}/{name}" if below else name for name in sorted(names))
    except FileNotFoundError:
        if not fs.exists(root.strip("/").partition("/")[0]):
            raise
