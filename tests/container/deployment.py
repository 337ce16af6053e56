"""The compose file, run from a checkout of its own: project name, folders and ports that no other run has."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import requests

from tests.conftest import ROOT
from tests.container.engine import base_image, docker

SERVICES = ("server", "batch", "web")
EVERY_MINUTE, NIGHTLY = "* * * * *", "0 2 * * *"
OWNER = 1000  # of the host folders, as the compose file has it by default
LONG_SECONDS = 300.0  # for what takes seconds on an idle machine
_PIP_SETTINGS = {"index-url": "PIP_INDEX_URL", "extra-index-url": "PIP_EXTRA_INDEX_URL"}
_CERTIFICATES = Path("/usr/local/share/ca-certificates")


def wait_for(condition: Callable[[], object], what: str, seconds: float = LONG_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for: {what}"
        time.sleep(0.3)


class Deployment:
    """One deployment.

    Args:
        folder: empty; becomes the checkout.
        name: of the compose project and of its images; nobody else's.
        settings: variables, as a person would write them into ``.env``.
    """

    def __init__(self, folder: Path, name: str, **settings: str) -> None:
        self.folder, self.name = folder, name
        tracked = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE
        ).stdout.decode()
        for path in filter(None, tracked.split("\0")):
            if (ROOT / path).is_file():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / path, folder / path)
        for writable in ("accounts", "data", "data/media", "logs"):
            os.chown(folder / writable, OWNER, OWNER)
        # Port 0: any that is free; another one after each start.
        own = {
            "IMAGE_PREFIX": name,
            "IMAGE_TAG": "test",
            "INFERENCE_PORT": "0",
            "WEB_PORT": "0",
            "WEB_PREDICT_TOKEN": "the token of other programs",
            "BASE_IMAGE": base_image(),
        }
        self.settings = {**own, **settings}
        self.environment = {**_without_ours(), **self.settings}
        self._files = ["docker-compose.yml"]

    def prepare_build(self, wheels: bool = True) -> None:
        """Let a build reach what this machine reaches: its network, its certificates, its pip settings, its wheels."""
        for certificate in _CERTIFICATES.glob("*.crt"):
            shutil.copy(certificate, self.folder / "certificates")
        for wheel in (ROOT / "wheels").glob("*.whl") if wheels else ():
            os.link(wheel, self.folder / "wheels" / wheel.name) if _same_disk(wheel, self.folder) else shutil.copy(
                wheel, self.folder / "wheels"
            )
        build = {"network": "host", "args": _pip_arguments()}
        override = {"services": {service: {"build": build} for service in SERVICES}}
        (self.folder / "build.json").write_text(json.dumps(override))
        self._files.append("build.json")

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run ``docker-compose`` and return what it printed on stdout."""
        files = [part for file in self._files for part in ("-f", file)]
        done = subprocess.run(
            ["docker-compose", "-p", self.name, *files, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout[-6000:]}{done.stderr[-6000:]}"
        return done.stdout

    def shell(self, script: str) -> str:
        """Run commands of the docs as they stand there, but against this deployment."""
        files = " ".join(f"-f {file}" for file in self._files)
        prelude = f'docker() {{ [ "$1" = compose ] && shift && docker-compose -p {self.name} {files} "$@"; }}\n'
        for there, here in (("http://127.0.0.1:8080", "server"), ("http://127.0.0.1:8000", "web")):
            if there in script:
                script = script.replace(there, self.url(here))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", prelude + script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def run(self, service: str, *command: str, check: bool = True) -> str:
        """Run a command in a service's container."""
        return self.compose("exec", "-T", service, *command, check=check)

    def succeeds(self, service: str, *command: str) -> bool:
        """Run a command in a service's container and tell whether it ended with 0."""
        return "succeeded" in self.run(
            service, "sh", "-c", '"$@" >/dev/null 2>&1 && echo succeeded', "sh", *command, check=False
        )

    def query(self, sql: str) -> list[list[Any]]:
        """Ask the results, in a container: opened by root from outside, they would get files of root's beside them."""
        program = (
            "import json, sqlite3, sys;"
            "results = sqlite3.connect('file:/data/results.db?mode=ro', uri=True);"
            "print(json.dumps(results.execute(sys.argv[1]).fetchall()))"
        )
        rows: list[list[Any]] = json.loads(self.run("web", "python3", "-c", program, sql))
        return rows

    def schedule(self, line: str) -> None:
        """Have the batch client run at other times: a new container."""
        self.environment["BATCH_SCHEDULE"] = line
        self._recreate("batch")

    @contextmanager
    def other_settings(self, service: str, settings: dict[str, str]) -> Iterator[None]:
        """Have a service run with more settings for the block."""
        before = dict(self.environment)
        try:
            self.environment.update(settings)
            self._recreate(service)
            yield
        finally:
            self.environment = before
            self._recreate(service)

    def _recreate(self, service: str) -> None:
        self.compose("up", "-d", "--no-deps", "--no-build", service)

    def put(self, name: str, photo: bytes) -> None:
        """Drop a photo into the inbox, whole at once."""
        temporary = self.folder / f"{name}.part"
        temporary.write_bytes(photo)
        temporary.replace(self.folder / "inbox" / name)

    def container(self, service: str) -> str:
        return self.compose("ps", "-q", service).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        described: list[dict[str, Any]] = json.loads(docker("inspect", self.container(service)))
        return described[0]

    def is_healthy(self, service: str) -> bool:
        return bool(self.inspect(service)["State"].get("Health", {}).get("Status") == "healthy")

    def wait_healthy(self) -> None:
        for service in SERVICES:
            wait_for(partial(self.is_healthy, service), f"{service} healthy; it says:\n{self.logs(service)}")

    def logs(self, service: str) -> str:
        return self.compose("logs", "--no-color", "--tail", "60", service, check=False)

    def url(self, service: str) -> str:
        return f"http://{self.compose('port', service, '8080' if service == 'server' else '8000').strip()}"

    @property
    def token(self) -> str:
        return self.run("server", "python3", "-m", "serving", "token").strip()

    def predict(self, photo: bytes) -> requests.Response:
        return requests.post(
            f"{self.url('server')}/predictions/refund_classifier",
            data=photo,
            headers={"Content-Type": "image/jpeg", "Authorization": f"Bearer {self.token}"},
            timeout=60,
        )

    def kill(self, service: str) -> None:
        """Kill a container's first process from outside, as the kernel would: ``docker kill`` counts as a stop."""
        before = self.inspect(service)
        os.kill(before["State"]["Pid"], 9)
        wait_for(
            lambda: (now := self.inspect(service))["RestartCount"] > before["RestartCount"] and now["State"]["Running"],
            f"{service} to be restarted",
        )

    def end(self) -> None:
        """Leave nothing behind but the layers, which the next run builds on."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "1", check=False)


def _pip_arguments() -> dict[str, str]:
    """Return the indexes that pip is told of on this machine, but for folders, which a build does not see."""
    listed = subprocess.run(["pip", "config", "list"], capture_output=True, text=True).stdout.splitlines()
    arguments = {}
    for line in listed:
        key, _, value = line.partition("=")
        addresses = [part for part in value.strip("'\"").split() if part.startswith(("http://", "https://"))]
        if addresses and (name := _PIP_SETTINGS.get(key.rpartition(".")[2])):
            arguments[name] = " ".join(addresses)
    return arguments


def _without_ours() -> dict[str, str]:
    """Return the environment without what would reach the containers, such as the settings of another test."""
    passed_on = ("TZ", "BATCH_", "WEB_", "PROCESSED", "RESULTS_DB", "INBOX", "APP_", "IMAGE_", "EXTRAS", "TORCH")
    return {name: value for name, value in os.environ.items() if not name.startswith(passed_on)}


def _same_disk(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev
