"""Photos on an SSH server."""

import logging
import stat
import threading
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

import paramiko

from batch_client.sources.names import IgnoreRules
from batch_client.sources.remote import FileSystem, Listed, RemoteFolder
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
        rules: names that are left out.
    """

    def __init__(
        self, host: str, port: int, user: str | None, password: str | None, root: str, rules: IgnoreRules | None = None
    ) -> None:
        shown = f"[{host}]" if ":" in host else host
        name = f"sftp://{shown}{'' if port == 22 else f':{port}'}{root}"
        super().__init__(name, root, lambda: _Session(host, port, user, password), rules)
        self._excepthook = threading.excepthook
        threading.excepthook = self._without_prefetch_errors

    def open(self, fs: FileSystem, path: str) -> BinaryIO:
        """Open a file whose blocks are asked for ahead."""
        file = fs.files.open(_encoded(path), "rb")
        file.prefetch(max_concurrent_requests=_REQUESTS)
        return cast(BinaryIO, file)

    def state(self, fs: FileSystem, path: str) -> State:
        """Return a file's size and time of change, in seconds of the server's clock."""
        return _state(fs.files.stat(_encoded(path)))

    def remove(self, fs: FileSystem, path: str) -> None:
        """Remove a file."""
        fs.files.remove(_encoded(path))

    def paths(self, fs: FileSystem) -> Iterator[Listed]:
        """Walk the folder depth first, with a stack; links are not followed."""
        stack = [self._entries(fs, "")]
        while stack:
            entry = next(stack[-1], None)
            if entry is None:
                stack.pop()
            elif entry.problem is not None or self.rules.match(entry.path.rpartition("/")[2]):
                yield Listed(entry.path, problem=entry.problem)
            elif (kind := _kind(fs, f"{self.root}/{entry.path}", entry.attributes)) == "d":
                try:
                    stack.append(self._entries(fs, f"{entry.path}/"))
                except (FileNotFoundError, PermissionError) as error:
                    yield Listed(entry.path, problem=f"the folder cannot be listed: {error.strerror or error}")
            elif kind == "-":
                yield Listed(entry.path, _state(entry.attributes))

    def close(self) -> None:
        """Close the connections."""
        super().close()
        threading.excepthook = self._excepthook

    def _entries(self, fs: FileSystem, below: str) -> Iterator["_Entry"]:
        """Return what lies in a folder, sorted by name.

        paramiko ends a list at a name that is not UTF-8. That name then stands for the rest of the list.
        """
        entries: list[_Entry] = []
        try:
            # One request at a time, so that a list that ends early leaves no answers behind on the connection.
            for attributes in fs.files.listdir_iter(_encoded(f"{self.root}/{below}"), read_aheads=1):
                entries.append(_Entry(f"{below}{attributes.filename}", attributes))
        except UnicodeDecodeError as error:
            name = error.object.decode("utf-8", "surrogateescape")
            problem = "its name is not UTF-8, so the rest of its folder could not be listed; rename it"
            entries.append(_Entry(f"{below}{name}", paramiko.SFTPAttributes(), problem))
        return iter(sorted(entries, key=lambda entry: entry.path))

    def _without_prefetch_errors(self, thrown: threading.ExceptHookArgs) -> None:
        """Let a broken connection end paramiko's prefetch threads quietly: whoever reads the file is told anyway."""
        frame = thrown.exc_traceback
        while frame is not None:
            if str(frame.tb_frame.f_globals.get("__name__")).startswith("paramiko."):
                return
            frame = frame.tb_next
        self._excepthook(thrown)


class _Entry(NamedTuple):
    path: str
    attributes: paramiko.SFTPAttributes
    problem: str | None = None


class _Session:
    """A connection with an SFTP session; no server is trusted unless its key is known, and every wait has a limit.

    Attributes:
        files: the session.
    """

    def __init__(self, host: str, port: int, user: str | None, password: str | None) -> None:
        self._client = paramiko.SSHClient()
        self._client.load_system_host_keys()
        self._client.set_missing_host_key_policy(_UnknownHost())
        try:
            self._client.connect(
                host,
                port=port,
                username=user,
                password=password,
                timeout=_CONNECT_SECONDS,
                banner_timeout=_CONNECT_SECONDS,
                auth_timeout=_CONNECT_SECONDS,
            )
            self.files = self._client.open_sftp()
        except BaseException:
            self._client.close()
            raise
        channel = self.files.get_channel()
        assert channel is not None
        channel.settimeout(_SILENT_SECONDS)

    def close(self) -> None:
        """Close it."""
        self._client.close()


class _UnknownHost(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """Refuses, and says what to do."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Raise an error with the key's fingerprint."""
        raise paramiko.SSHException(
            f"the key of {hostname} ({key.get_name()} {key.fingerprint}) is not in ~/.ssh/known_hosts; "
            "if it is the right one, add it with ssh-keyscan"
        )


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _state(attributes: paramiko.SFTPAttributes) -> State:
    return attributes.st_size or 0, attributes.st_mtime or 0


def _kind(fs: FileSystem, path: str, attributes: paramiko.SFTPAttributes) -> str:
    """Return ``d`` for a folder, ``-`` for a file, another letter for what is neither.

    A server need not say the type: Windows servers send permissions without it, or none. Then the first letter of the
    line that ``ls -l`` would print says it, then an answer about this entry alone, and at last the attempt to list it.
    """
    if letter := _letter(attributes.st_mode):
        return letter
    if str(attributes.longname or "")[:1] in ("d", "-", "l"):
        return str(attributes.longname)[0]
    if letter := _letter(fs.files.lstat(_encoded(path)).st_mode):
        return letter
    try:
        next(fs.files.listdir_iter(_encoded(path), read_aheads=1), None)
    except UnicodeDecodeError:
        return "d"
    except OSError:
        return "-"
    return "d"


def _letter(mode: int | None) -> str | None:
    """Return the type in a mode as ``ls`` writes it; None if the mode says none."""
    return stat.filemode(mode)[0] if mode is not None and stat.S_IFMT(mode) else None
