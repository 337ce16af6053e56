"""One real TorchServe for the whole session, beside whatever else runs on this machine."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml

from benchmarks.services import free_ports
from serving.drain import pending_requests
from tests.conftest import ROOT

LOCKSTEP = "lockstep"
LOCKSTEP_BATCH = 4
# What the shell that starts the service may hold for the batch client.
OTHER_PROGRAMS = {
    "INBOX": "sftp://returns:confidential@storage/inbox",
    "WEBHOOK_URL": "https://chat/confidential",
    "AZURE_STORAGE_CONNECTION_STRING": "AccountKey=confidential",
    "API_KEY": "confidential",
    "DATABASE_DSN": "host=db password=confidential",
    "GITHUB_PAT": "confidential",
    "HTTPS_PROXY": "http://user:confidential@proxy:3128",
    "smtp_password": "confidential",
    "MAKEFLAGS": " -- INBOX=sftp://returns:confidential@storage/inbox",
}


@dataclass
class ServiceUnderTest:
    """A service with ports, state and store of its own, driven through the commands that people use."""

    store: Path
    state: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        ports = free_ports(5)
        self.url = f"http://127.0.0.1:{ports[0]}"
        self.management = f"http://127.0.0.1:{ports[1]}"
        self.metrics = f"http://127.0.0.1:{ports[2]}"
        self.environment = {
            **os.environ,
            "MODEL_STORE": str(self.store),
            "TMPDIR": tempfile.mkdtemp(prefix="refund-"),  # short: sockets lie below it
            "SERVING_STATE": str(self.state),
            "SERVING_KEY_FILE": str(self.state / "inference.key"),
            "TS_INFERENCE_ADDRESS": self.url,
            "TS_MANAGEMENT_ADDRESS": self.management,
            "TS_METRICS_ADDRESS": self.metrics,
            "TS_GRPC_INFERENCE_PORT": str(ports[3]),
            "TS_GRPC_MANAGEMENT_PORT": str(ports[4]),
            "TORCHSERVE_URL": self.url,
            "TORCHSERVE_TOKEN_FILE": str(self.state / "inference.key"),
            **{f"{name}_DIR": str(self.state / name.lower()) for name in ("PROCESSED", "QUARANTINE", "MEDIA", "LOG")},
        }

    def command(self, *arguments: str, check: bool = True) -> str:
        """Run ``python -m ...`` as a person would and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{done.stdout}{done.stderr}\n{self.log.read_text() if self.log.exists() else ''}")
        return done.stdout + done.stderr

    def start(self) -> str:
        return self.command("serving", "start")

    def run_in_foreground(self, output: Path, until_ready: bool = True) -> subprocess.Popen[bytes]:
        """Run ``python -m serving run`` as a container would; its log lines go into ``output``."""
        with output.open("wb") as file:
            command = [sys.executable, "-m", "serving", "run"]
            supervisor = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=file)
        while until_ready and not (self.state / "inference.key").exists():
            assert supervisor.poll() is None, output.read_text()
            time.sleep(0.05)
        return supervisor

    def stop(self) -> str:
        return self.command("serving", "stop")

    @property
    def log(self) -> Path:
        return self.state / "log" / "app.log"

    @property
    def token(self) -> str:
        return (self.state / "inference.key").read_text().strip()

    def manage(self, method: str, path: str) -> requests.Response:
        """Ask the management API, with its token."""
        key = json.loads((self.state / "key_file.json").read_text())["management"]["key"]
        headers = {"Authorization": f"Bearer {key}"}
        return requests.request(method, f"{self.management}{path}", headers=headers, timeout=120)

    def wait_for_waiting_requests(self, count: int) -> None:
        """Return once so many requests wait in the engine's queues, behind those that the workers have in hand."""
        key = json.loads((self.state / "key_file.json").read_text())["management"]["key"]
        deadline = time.monotonic() + 60
        while (pending_requests(self.management, key) or 0) < count:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def post(self, body: bytes, content_type: str = "image/jpeg", path: str = "", **headers: str) -> requests.Response:
        """Post a raw body to the model."""
        return requests.post(
            f"{self.url}{path or '/predictions/refund_classifier'}",
            data=body,
            headers={"Content-Type": content_type, "Authorization": f"Bearer {self.token}", **headers},
            timeout=60,
        )

    def processes(self) -> list[psutil.Process]:
        """Return every process that belongs to this instance, the orphaned ones too."""
        mine = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("SERVING_STATE") == str(self.state) and process.pid != os.getpid():
                    mine.append(process)
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return mine

    def workers(self) -> list[psutil.Process]:
        """Return the workers of all models."""
        return [p for p in self.processes() if any("model_service_worker" in part for part in p.cmdline())]

    def end(self) -> None:
        """Leave nothing behind, whatever a test did."""
        self.command("serving", "stop", check=False)
        for process in self.processes():
            process.kill()
        shutil.rmtree(self.environment["TMPDIR"], ignore_errors=True)


def with_order_check(archive: Path, store: Path) -> Path:
    """Put an archive into the store; one without thresholds of the order check gets some."""
    served = store / archive.name
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(served, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "contract.json":
                thresholds = {"match_threshold": 0.1, "mismatch_threshold": 0.002}
                content = json.dumps({**thresholds, **json.loads(content)}).encode()
            target.writestr(name, content)
    return served


def lockstep_archive(archive: Path, store: Path) -> None:
    """Put a copy of the model into the store that answers only when a server batch of four is full, or after 20 s."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(store / f"{LOCKSTEP}.mar", "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "model-config.yaml":
                config: dict[str, Any] = yaml.safe_load(content)
                content = yaml.safe_dump({**config, "batchSize": LOCKSTEP_BATCH, "maxBatchDelay": 20_000}).encode()
            elif name == "MAR-INF/MANIFEST.json":
                content = content.replace(b'"refund_classifier"', f'"{LOCKSTEP}"'.encode())
            target.writestr(name, content)


@pytest.fixture(scope="session")
def service(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceUnderTest]:
    store = tmp_path_factory.mktemp("served")
    with_order_check(archive, store)
    lockstep_archive(archive, store)
    running = ServiceUnderTest(store, tmp_path_factory.mktemp("state"))
    running.environment["TS_LOAD_MODELS"] = f"{archive.name},{LOCKSTEP}.mar"
    try:
        clients = running.environment
        running.environment = {**clients, **OTHER_PROGRAMS}
        running.start()
        running.environment = clients
        yield running
    finally:
        running.end()


@pytest.fixture
def second_service(archive: Path, tmp_path: Path) -> Iterator[ServiceUnderTest]:
    """A service of a test's own, not started; it runs beside the session's."""
    store = tmp_path / "store"
    store.mkdir()
    shutil.copyfile(archive, store / archive.name)
    other = ServiceUnderTest(store, tmp_path / "state")
    try:
        yield other
    finally:
        other.end()
