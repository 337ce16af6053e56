"""Photos on an SSH server."""

import logging
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO, cast

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem
from paramiko.sftp import CMD_CLOSE, CMD_OPENDIR, CMD_READDIR

from batch_client.sources.local import is_ignored
from batch_client.sources.remote import FileSystem, RemoteFolder
from batch_client.sources.source import State

_CONNECT_SECONDS = 10
_SILENT_SECONDS = 60
_REQUESTS = 64  # of 32 KiB each, on their way at once for one file

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it would say, with a traceback, we say in one line


class SftpFolder(RemoteFolder):
    """A folder on an SSH server, whose key must stand in ``~/.ssh/known_hosts``.

    Args:
        host, port: of the server.
        user: whose keys in ``~/.ssh`` or in the agent are used; None for the user of this program.
        password: None where there is a key.
        root: absolute path of the folder.
    """

    def __init__(self, host: str, port: int, user: str | None, password: str | None, root: str) -> None:
        shown = f"[{host}]" if ":" in host else host
        name = f"sftp://{shown}{'' if port == 22 else f':{port}'}{root}"
        options = {"port": port, "username": user, "password": password, "skip_instance_cache": True}
        super().__init__(name, root, lambda: _FileSystem(host, **options))

    def open(self, fs: FileSystem, path: str) -> BinaryIO:
        """Open a file whose blocks are asked for ahead."""
        file = fs.ftp.open(_encoded(path), "rb")
        file._prefetch_thread = _silent(file._prefetch_thread)
        file.prefetch(max_concurrent_requests=_REQUESTS)
        return cast(BinaryIO, file)

    def state(self, fs: FileSystem, path: str) -> State:
        """Return a file's size and time of change, in seconds of the server's clock."""
        return _state(fs.ftp.stat(_encoded(path)))

    def remove(self, fs: FileSystem, path: str) -> None:
        """Remove a file."""
        fs.ftp.remove(_encoded(path))

    def paths(self, fs: FileSystem) -> Iterator[tuple[str, State | None]]:
        """Walk the folder; links are not followed."""
        return _walk(fs, self.root.rstrip("/"), "", _entries(fs, self.root))


class _FileSystem(SFTPFileSystem):  # type: ignore[misc]
    """fsspec's, which by itself trusts any server and waits for ever."""

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()
        self.client.load_system_host_keys()
        self.client.set_missing_host_key_policy(_UnknownHost())
        try:
            self.client.connect(
                self.host,
                **self.ssh_kwargs,
                timeout=_CONNECT_SECONDS,
                banner_timeout=_CONNECT_SECONDS,
                auth_timeout=_CONNECT_SECONDS,
            )
            self.ftp = self.client.open_sftp()
        except BaseException:
            self.client.close()
            raise
        channel = self.ftp.get_channel()
        assert channel is not None
        channel.settimeout(_SILENT_SECONDS)


class _UnknownHost(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """Refuses, and says what to do."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Raise an error with the key's fingerprint."""
        raise paramiko.SSHException(
            f"the key of {hostname} ({key.get_name()} {key.fingerprint}) is not in ~/.ssh/known_hosts; "
            "if it is the right one, add it with ssh-keyscan"
        )


def _silent(ask_ahead: Callable[..., None]) -> Callable[..., None]:
    """Let a broken connection end paramiko's asking thread quietly: whoever reads the file is told all the same."""

    def ask(*arguments: object) -> None:
        with suppress(EOFError, OSError, paramiko.SSHException):
            ask_ahead(*arguments)

    return ask


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _state(attributes: paramiko.SFTPAttributes) -> State:
    return attributes.st_size or 0, attributes.st_mtime or 0


def _entries(fs: FileSystem, path: str) -> list[tuple[str, paramiko.SFTPAttributes]]:
    """Return what lies in a folder, in order; a name that is no UTF-8 has surrogates in it.

    Source: paramiko, ``SFTPClient.listdir_attr``, which such a name ends with a UnicodeDecodeError; the protocol's
    draft-ietf-secsh-filexfer-02, section 6.7.
    """
    entries: list[tuple[str, paramiko.SFTPAttributes]] = []
    _, answer = fs.ftp._request(CMD_OPENDIR, _encoded(path))
    handle = answer.get_binary()
    with suppress(EOFError):  # the end of the list; a connection that breaks raises another error
        while True:
            _, answer = fs.ftp._request(CMD_READDIR, handle)
            for _ in range(answer.get_int()):
                name = answer.get_binary().decode("utf-8", "surrogateescape")
                answer.get_binary()  # the line that ``ls -l`` would print
                entries.append((name, paramiko.SFTPAttributes._from_msg(answer)))
    fs.ftp._request(CMD_CLOSE, handle)
    return sorted((entry for entry in entries if not is_ignored(entry[0])), key=lambda entry: entry[0])


def _walk(
    fs: FileSystem, root: str, below: str, entries: list[tuple[str, paramiko.SFTPAttributes]]
) -> Iterator[tuple[str, State | None]]:
    for name, attributes in entries:
        path, mode = f"{below}{name}", attributes.st_mode or 0
        if stat.S_ISDIR(mode):
            try:
                inside = _entries(fs, f"{root}/{path}")
            except (FileNotFoundError, PermissionError):
                yield path, None  # cannot be read either, and so is reported, as in a folder
                continue
            yield from _walk(fs, root, f"{path}/", inside)
        elif stat.S_ISREG(mode):
            yield path, _state(attributes)
