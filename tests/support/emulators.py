"""Emulators of Google Cloud Storage and Azure Blob Storage on free ports, for the tests that read from one."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_SECONDS_TO_START = 30
# The account that every Azurite has. Source: its README, "Default Storage Account".
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def find_azurite() -> str | None:
    """Return the path of Azurite's blob service, which ``npm install azurite`` brings."""
    return shutil.which("azurite-blob", path=f"{ROOT / 'node_modules' / '.bin'}:{os.environ['PATH']}")


@contextmanager
def azurite(program: str) -> Iterator[str]:
    """Run Azurite for the block, and give the connection string."""
    port = _free_port()
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent", "--inMemoryPersistence"]
    with _running([*command, "--skipApiVersionCheck", "--disableTelemetry"], port):
        account = "devstoreaccount1"
        yield (
            f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={_AZURITE_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{port}/{account};"
        )


@contextmanager
def gcs_emulator() -> Iterator[str]:
    """Run an emulator of Google Cloud Storage for the block, and give its URL."""
    port = _free_port()
    with _running(
        [
            sys.executable,
            "-m",
            "gcp_storage_emulator",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--in-memory",
            "--quiet",
        ],
        port,
    ):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + _SECONDS_TO_START
            while not _answers(port):
                assert server.poll() is None, f"{command[0]} ended"
                assert time.monotonic() < deadline, f"{command[0]} does not listen"
                time.sleep(0.05)
            yield
        finally:
            server.terminate()
            server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
