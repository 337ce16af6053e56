"""The process in which calls fail; see ``failing_calls.c``."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT


@dataclass(frozen=True)
class Ended:
    """How a run with a failing call ended.

    Attributes:
        code: exit code of the client; negative: the signal that ended it.
        calls: how many calls of the kind there were.
        fired: how many of them failed.
        failed: the path of the first that failed.
        output: what the client printed.
    """

    code: int
    calls: int
    fired: int
    failed: str
    output: str


class FailingClient:
    """The batch client in a process whose n-th call fails."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(
        self, folder: Path, environment: dict[str, str], kind: str, number: int, error: int, sticky: bool = False
    ) -> Ended:
        """Run the client once; ``number`` 0 makes no call fail."""
        output = folder.with_name(f"{folder.name}.output")
        order: dict[str, Any] = {"kind": kind, "number": number, "error": error, "sticky": int(sticky)}
        order |= {"folder": str(folder), "environment": environment, "output": str(output)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        text = output.read_text(errors="replace")
        return Ended(said["code"], said.get("calls", 0), said.get("fired", 0), said.get("failed", ""), text)


@pytest.fixture(scope="session")
def failing_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FailingClient]:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (Debian: apt-get install gcc libc6-dev)")
    library = tmp_path_factory.mktemp("library") / "failing_calls.so"
    source = Path(__file__).with_name("failing_calls.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.client_process"],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(library)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield FailingClient(process)
