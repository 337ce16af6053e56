"""A real SSH server on a free port, which the tests that read from one share."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SECONDS_TO_START = 30


@dataclass(frozen=True)
class SSHServer:
    """Attributes:
    port: on 127.0.0.1.
    user: the only one it lets in.
    home: holds ``.ssh/`` with the user's key and the server's in ``known_hosts``.
    files: a folder that the user may read and write.
    """

    port: int
    user: str
    home: Path
    files: Path


def find_sshd() -> str | None:
    """Return the path of sshd; Debian keeps it off the PATH of ordinary users."""
    return shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@contextmanager
def run_sshd(sshd: str) -> Iterator[SSHServer]:
    """Run a server for the block, as the current user; root, of whom it wants more, lends it to ``daemon``."""
    folder = Path(tempfile.mkdtemp(prefix="refund-sshd-"))  # not below pytest's folder, which is closed to other users
    user, as_user = pwd.getpwuid(os.geteuid()), list[str]()
    if os.geteuid() == 0:
        user = pwd.getpwnam("daemon")
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    home, files = folder / "home", folder / "files"
    (home / ".ssh").mkdir(parents=True)
    files.mkdir()
    for key in (folder / "host_key", home / ".ssh" / "id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    public = (folder / "host_key.pub").read_text()
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    config = folder / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host_key\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {home}/.ssh/id_ed25519.pub\nSubsystem sftp internal-sftp\n"
    )
    folder.chmod(0o755)
    for path in (folder / "host_key", files):
        os.chown(path, user.pw_uid, user.pw_gid)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*as_user, sshd, "-D", "-e", "-f", str(config)], stderr=log)
    try:
        _wait_until_open(port, server, folder / "log")
        yield SSHServer(port, user.pw_name, home, files)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def _wait_until_open(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"sshd does not listen: {log.read_text()}")
