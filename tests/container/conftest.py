"""Images built as `docker compose up --build` builds them, and one deployment of them for the whole level."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.container.deployment import SERVICES, Deployment
from tests.container.engine import docker, running_engine, why_not
from tools.install import torch_version

_BUILD_SECONDS = 1500


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(_BUILD_SECONDS))


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """With CI=true and root nothing keeps us from having an engine, so its absence is a failure there."""
    if reason := why_not():
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(f"CI=true, but there is no container engine: {reason}")
        pytest.skip(f"no container engine: {reason}")
    with running_engine():
        yield


@pytest.fixture(scope="session")
def deployment(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Everything up and healthy, the next run due at night."""
    _fetch_torch()
    name = f"refund{os.getpid()}x{secrets.token_hex(3)}"
    deployed = Deployment(tmp_path_factory.mktemp("checkout"), name, TZ="Europe/Berlin", LOG_FORMAT="json")
    deployed.prepare_build()
    try:
        deployed.compose("up", "-d", "--build")
        _keep_layers(name)
        deployed.wait_healthy()
        yield deployed
    finally:
        deployed.end()
        for service in SERVICES:
            docker("rmi", "--no-prune", f"{name}-{service}:test", check=False)


def _fetch_torch() -> None:
    """Put torch's CPU wheel where a build finds it: pip may know it through settings that a build does not see.

    Where pip knows none, the build asks TORCH_INDEX_URL.
    """
    wheels = ROOT / "wheels"
    if not list(wheels.glob(f"torch-{torch_version()}+cpu-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels)]
        subprocess.run([*command, f"torch=={torch_version()}+cpu"])


def _keep_layers(name: str) -> None:
    """Give the newest images a second name, so that the next run's build finds their layers."""
    for service in SERVICES:
        docker("tag", f"{name}-{service}:test", f"refund-classifier-test-{service}:cache")
