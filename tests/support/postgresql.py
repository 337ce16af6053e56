"""A real PostgreSQL for the tests, in a temporary folder and on a free port."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from results.database import Database


class PostgreSQL:
    """A running server; gives out empty databases."""

    def __init__(self, port: int) -> None:
        self._address = f"postgres@127.0.0.1:{port}"
        self._names = (f"results_{number}" for number in count())
        self._migrated = ""

    def new_database(self) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        return self._create("template1")

    def migrated_database(self) -> str:
        """Create a database without rows at the newest schema, as a copy of the first one."""
        if not self._migrated:
            url = self.new_database()
            Database(url).close()
            self._migrated = url.rpartition("/")[2]
            open_ones = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{self._migrated}'".encode()
            with self._connect() as connection:
                while connection.execute(open_ones).fetchone():  # nobody may be in a database that is copied
                    time.sleep(0.02)
        return self._create(self._migrated)

    def _create(self, template: str) -> str:
        name = next(self._names)
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return f"postgresql+psycopg://{self._address}/{name}"

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(f"postgresql://{self._address}/postgres", autocommit=True)


def find_programs() -> Path | None:
    """Return the folder with initdb and pg_ctl; Debian keeps it off the PATH."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


@contextmanager
def run_postgresql(programs: Path) -> Iterator[PostgreSQL]:
    """Run a server for the block. It refuses to run as root, so root lends it to the user postgres."""
    as_user: list[str] = []
    # Not below pytest's folder, which is closed to other users.
    data = Path(tempfile.mkdtemp(prefix="refund-postgresql-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(data, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs / program), "-D", str(data), *arguments]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    run("initdb", "--auth=trust", "--username=postgres", "--no-sync")
    settings = "listen_addresses=127.0.0.1", "unix_socket_directories=''", "fsync=off", "autovacuum=off"
    options = f"-p {port} -c {' -c '.join(settings)}"
    run("pg_ctl", "start", "--wait", "--silent", f"--options={options}", f"--log={data / 'log'}")
    try:
        yield PostgreSQL(port)
    finally:
        run("pg_ctl", "stop", "--mode=immediate", "--wait", "--silent")
        shutil.rmtree(data)
