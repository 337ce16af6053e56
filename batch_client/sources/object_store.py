"""Photos in an object store: S3 and what speaks its language, Google Cloud Storage, Azure Blob Storage."""

from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from batch_client.sources.names import IgnoreRules
from batch_client.sources.remote import FileSystem, Listed, RemoteFolder
from batch_client.sources.source import CHUNK


class ObjectStore(RemoteFolder):
    """A bucket, or what lies below a prefix in it.

    Args:
        name: the URL.
        root: bucket and prefix.
        fs: its file system; one for all threads, as fsspec's asynchronous ones may be.
        rules: names that are left out.
    """

    def __init__(self, name: str, root: str, fs: FileSystem, rules: IgnoreRules | None = None) -> None:
        super().__init__(name, root, lambda: fs, rules)

    def open(self, fs: FileSystem, path: str) -> BinaryIO:
        """Open an object; s3fs reads no bytes of another one that has taken its place meanwhile."""
        return cast(BinaryIO, fs.open(path, "rb", block_size=CHUNK))

    def paths(self, fs: FileSystem) -> Iterator[Listed]:
        """List page by page where the store is S3; the others by fsspec's common interface, folder by folder.

        Raises:
            NotADirectoryError: an object lies there.
            FileNotFoundError: no such bucket.
        """
        found = False
        for path in _s3_keys(fs, self.root) if fs.protocol[0] == "s3" else _walk(fs, self.root):
            found = True
            if path and not path.endswith("/"):  # what a console makes to show a folder
                yield Listed(path)
        if not found and fs.isfile(self.root):
            raise NotADirectoryError(self.root)
        self.may_not_exist = not found and "/" in self.root


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
    """List folder by folder through fsspec's common interface, depth first."""
    root = root.strip("/")
    try:
        stack = [_entries(fs, root)]
    except FileNotFoundError:
        if not fs.exists(root.partition("/")[0]):
            raise
        return
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
        elif entry["type"] == "directory":
            stack.append(_entries(fs, entry["name"].rstrip("/")))
        elif (path := entry["name"].strip("/")) != root:
            yield path.removeprefix(f"{root}/")


def _entries(fs: FileSystem, folder: str) -> Iterator[Any]:
    """Return what lies in a folder, in order; without the object that a console makes to show the folder."""
    listed = fs.ls(folder, detail=True)
    own = folder.strip("/")
    return iter(
        sorted(
            (entry for entry in listed if entry["name"].strip("/") != own or entry["type"] == "file"),
            key=lambda entry: str(entry["name"]),
        )
    )
