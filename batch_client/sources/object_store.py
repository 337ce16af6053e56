"""Photos in an object store: S3 and what speaks its language, Google Cloud Storage, Azure Blob Storage."""

from collections.abc import Iterator
from typing import BinaryIO, cast

from batch_client.sources.remote import FileSystem, RemoteFolder
from batch_client.sources.source import CHUNK


class ObjectStore(RemoteFolder):
    """A bucket, or what lies below a prefix in it.

    Args:
        name: the URL.
        root: bucket and prefix.
        fs: its file system; one for all threads, as fsspec's asynchronous ones may be.
    """

    def __init__(self, name: str, root: str, fs: FileSystem) -> None:
        super().__init__(name, root, lambda: fs)

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
