"""One inbox, one results database, one stub service, and the program that a person runs on them."""

import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from batch_client.cli import app
from batch_client.inference.retry import RetryPolicy
from batch_client.pipeline.lifecycle import Tuning
from tests.support.stub_service import StubService


class BatchRig:
    """One inbox, one results database, one service, and the program that a person runs on them."""

    def __init__(self, folder: Path, stub: StubService) -> None:
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self.results = folder / "data" / "results.db"
        self.token_file = folder / "inference.key"
        self.token_file.write_text("right\n")
        self.stub = stub
        self.tuning = Tuning(retry=RetryPolicy(first_pause_s=0.001))
        self.environment = {
            "INBOX": str(self.inbox),
            "RESULTS_DB": str(self.results),
            "TORCHSERVE_URL": stub.url,
            "TORCHSERVE_TOKEN_FILE": str(self.token_file),
            "SERVICE_PATIENCE_S": "60",
            "AUDIT_SHARE": "0",  # or one run in fifty would keep a file that is no picture, for a person to look at
            **{
                f"{name}_DIR": str(folder / name.lower())
                for name in ("PROCESSED", "QUARANTINE", "MEDIA", "LOG", "REPORT")
            },
        }

    def add(self, *names: str) -> None:
        for name in names:
            path = self.inbox / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"photo {name}".encode())

    def run(self, *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(arguments or ["run"]), env=self.environment, obj=self.tuning)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.results)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def change(self, statement: str) -> None:
        connection = sqlite3.connect(self.results)
        try:
            with connection:
                connection.execute(statement)
        finally:
            connection.close()

    def newest_run(self) -> dict[str, Any]:
        names = "status, exit_code, found, classified, known, failed"
        row = self.rows(f'SELECT {names}, "left" FROM runs ORDER BY id DESC LIMIT 1')[0]
        return dict(zip([*names.split(", "), "left"], row, strict=True))


def wait_for(program: subprocess.Popen[Any], happened: Callable[[], bool]) -> None:
    """Wait for something that a running program does; not for ever if it ends before."""
    while not happened():
        assert program.poll() is None, f"it ended with exit code {program.returncode}"
        time.sleep(0.02)
