"""An SFTP server that does not say what is a file and what a folder, as some Windows servers do."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko


@contextmanager
def typeless_sftp(files: Path, home: Path, with_permissions: bool) -> Iterator[int]:
    """Serve a folder for the block, to whoever asks; give the port.

    Args:
        files: what is served as ``/``.
        home: gets ``.ssh/known_hosts``.
        with_permissions: send the permission bits without the type; else send none.
    """
    key = paramiko.RSAKey.generate(2048)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} ssh-rsa {key.get_base64()}\n")
    transports: list[paramiko.Transport] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                transport = paramiko.Transport(connection)
                transports.append(transport)
                transport.add_server_key(key)
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, files, with_permissions)
                transport.start_server(server=_Door())

    accepting = threading.Thread(target=serve, daemon=True)
    accepting.start()
    yield port
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    accepting.join()
    for transport in transports:
        transport.close()


class _Door(paramiko.ServerInterface):  # type: ignore[misc]
    def check_auth_password(self, username: str, password: str) -> int:
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]
    def __init__(self, server: object, root: Path, with_permissions: bool) -> None:
        self._root = root
        self._with_permissions = with_permissions

    def list_folder(self, path: str) -> object:
        place = self._place(path)
        if not place.is_dir():
            return paramiko.SFTP_FAILURE
        return [self._attributes(entry) for entry in place.iterdir()]

    def stat(self, path: str) -> object:
        place = self._place(path)
        return self._attributes(place) if place.exists() else paramiko.SFTP_NO_SUCH_FILE

    lstat = stat

    def open(self, path: str, flags: int, attr: object) -> object:
        place = self._place(path)
        if not place.is_file():
            return paramiko.SFTP_NO_SUCH_FILE
        handle = paramiko.SFTPHandle(flags)
        handle.readfile = place.open("rb")
        handle.stat = lambda: self._attributes(place)
        return handle

    def _place(self, path: str) -> Path:
        return self._root / str(self.canonicalize(path)).lstrip("/")

    def _attributes(self, place: Path) -> paramiko.SFTPAttributes:
        found = paramiko.SFTPAttributes.from_stat(place.stat(), place.name)
        found.st_mode = found.st_mode & 0o777 if self._with_permissions else None
        return found
