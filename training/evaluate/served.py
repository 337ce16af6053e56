"""Run a model archive as TorchServe's worker does, without TorchServe."""

import json
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

_PROCESS = Path(__file__).parent / "served_process.py"
_CONFIG = "model-config.yaml"
_CONTRACT = "contract.json"


@dataclass(frozen=True)
class Served:
    """A running model archive.

    Attributes:
        description: its handler's answer to ``describe``: versions, classes, input size, graph.
        contract: its ``contract.json``.
        batch_size: its ``batchSize``.
        process: the Python process that runs the handler.
        log: standard error of the process.
    """

    description: dict[str, Any]
    contract: dict[str, Any]
    batch_size: int
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def answers(self, photos: Sequence[bytes]) -> list[dict[str, Any]]:
        """Classify encoded photos as one batch.

        Returns:
            For each photo ``status``, the HTTP status, and ``answer``, the body.

        Raises:
            ValueError: the process has ended; the message has the end of its log.
        """
        message = b"".join([struct.pack("!I", len(photos)), *(struct.pack("!I", len(p)) + p for p in photos)])
        answered: list[dict[str, Any]] = _exchange(self.process, self.log, message)
        return answered


@contextmanager
def serve(archive: Path) -> Iterator[Served]:
    """Unpack an archive and run its handler in an isolated process, which imports the archive's code, not ours.

    Raises:
        FileNotFoundError, ValueError: the archive does not exist or does not load; the message says why.
    """
    if not archive.is_file():
        raise FileNotFoundError(f"{archive} does not exist. Build it with `make export`.")
    with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryFile() as log:
        folder = Path(temporary)
        try:
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder)
            config = yaml.safe_load((folder / _CONFIG).read_text(encoding="utf-8"))
        except (zipfile.BadZipFile, FileNotFoundError) as error:
            raise ValueError(f"{archive} is no model archive of this project: {error}") from error
        command = [sys.executable, "-I", str(_PROCESS), str(folder)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=folder)
        try:
            description = _exchange(process, log, b"")
            contract = json.loads((folder / _CONTRACT).read_text(encoding="utf-8"))
            yield Served(description, contract, int(config["batchSize"]), process, log)
        finally:
            _end(process)


def _exchange(process: subprocess.Popen[bytes], log: IO[bytes], message: bytes) -> Any:
    """Send a message and read one line of JSON."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):  # the process has ended; its log says why
        process.stdin.write(message)
        process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        log.seek(0)
        last = log.read().decode(errors="replace").strip()[-2000:]
        raise ValueError(f"the archive's handler ended with code {process.wait()}:\n{last}")
    return json.loads(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.kill()
    process.wait()
    with suppress(BrokenPipeError):  # input that a process did not read before it ended
        process.stdin.close()
    process.stdout.close()
