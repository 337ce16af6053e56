"""From what a person names as the source to the source: a folder, or a place that a URL leads to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

from batch_client.errors import UsageError
from batch_client.sources.local import Folder
from batch_client.sources.names import IgnoreRules
from batch_client.sources.source import Source

# Seconds; and attempts as newer SDKs make them, for botocore's older kind waits half a minute before it gives up.
_PATIENCE = {"connect_timeout": 5, "read_timeout": 30, "retries": {"mode": "standard", "total_max_attempts": 3}}


@dataclass(frozen=True)
class _Store:
    """A kind of object store.

    Attributes:
        module: of the optional library that fsspec needs for it.
        options: of its file system.
        credentials: where they belong.
    """

    module: str
    credentials: str
    options: Mapping[str, object] = field(default_factory=dict)


_STORES = {
    "s3": _Store("s3fs", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", {"config_kwargs": _PATIENCE}),
    "gs": _Store("gcsfs", "GOOGLE_APPLICATION_CREDENTIALS"),
    "az": _Store("adlfs", "AZURE_STORAGE_CONNECTION_STRING"),
}


def open_source(text: str, rules: IgnoreRules | None = None) -> Source:
    """Return the source that a path or URL names; nothing is connected yet.

    Args:
        text: the path or URL.
        rules: names that are left out; None for the built-in ones.

    Raises:
        UsageError: no such kind of URL, or its library is not installed. The message repeats no part of the URL that
            may hold a password.
    """
    scheme, mark, rest = text.partition("://")
    if not mark:
        return Folder(Path(text), rules)
    if scheme == "sftp":
        return _sftp(rest, rules)
    if scheme not in _STORES:
        raise UsageError(f"{scheme}:// is no source. Name a folder, or an s3://, gs://, az:// or sftp:// URL.")
    return _object_store(scheme, rest.strip("/"), rules)


def _object_store(scheme: str, path: str, rules: IgnoreRules | None) -> Source:
    store = _STORES[scheme]
    bucket = path.partition("/")[0]
    if not bucket:
        raise UsageError(f"{scheme}:// names no bucket. Write {scheme}://BUCKET/PREFIX.")
    if "@" in bucket or ":" in bucket:
        raise UsageError(f"The {scheme}:// URL holds more than a bucket. Set {store.credentials} instead.")
    _require(store.module, scheme)
    import fsspec

    from batch_client.sources.object_store import ObjectStore

    options = {"skip_instance_cache": True, "use_listings_cache": False, **store.options}
    if scheme == "gs":  # by fsspec's name comes another class, which first asks each bucket's layout over gRPC
        from gcsfs.core import GCSFileSystem

        fs = GCSFileSystem(**options)
    else:
        fs = fsspec.filesystem(scheme, **options)
    return ObjectStore(f"{scheme}://{path}", path, fs, rules)


def _sftp(rest: str, rules: IgnoreRules | None) -> Source:
    authority, _, path = rest.partition("/")
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname, parts.port or 22
    except ValueError:
        host = None
    if not host:
        raise UsageError("The sftp:// URL names no host. Write sftp://USER@HOST:PORT/PATH, special characters as %XX.")
    _require("paramiko", "sftp")
    from batch_client.sources.sftp import SftpFolder

    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    return SftpFolder(host, port, user, password, "/" + path.strip("/"), rules)


def _require(module: str, scheme: str) -> None:
    try:
        import_module(module)
    except ImportError as error:
        remedy = f"python -m tools.install {scheme}"
        raise UsageError(f"{scheme}:// needs {error.name}, which is not installed: {remedy}") from error
