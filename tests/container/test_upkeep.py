"""Backup, restore, another model version, release: with the commands of the docs."""

import json
import re
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from handler.contract import Contract
from tests.conftest import ROOT
from tests.container.deployment import SERVICES, Deployment, wait_for
from tests.container.engine import docker
from tests.support.documents import commands, page, section
from tests.support.drawn_photos import encoded, mosaic

COUNT = "SELECT count(*) FROM predictions"


def test_backup_while_it_runs_and_restore(deployment: Deployment) -> None:
    deployment.put("before.jpg", encoded(mosaic((240, 320), 21)))
    deployment.run("batch", "batch-client", "run")
    backup, restore = commands(section(page("deployment"), "Backup"))
    [[before]] = deployment.query(COUNT)
    for _ in range(2):  # over an older one, too
        deployment.shell(backup)
    deployment.put("after.jpg", encoded(mosaic((240, 320), 22)))
    deployment.run("batch", "batch-client", "run")
    assert deployment.query(COUNT) == [[before + 1]]
    deployment.shell(restore)
    deployment.wait_healthy()
    assert deployment.query(COUNT) == [[before]]
    found = json.loads(deployment.run("batch", "batch-client", "verify", "--json", check=False))
    assert {problem["kind"] for problem in found} == {"stray"}, "the backup does not know the newest picture"
    deployment.run("batch", "batch-client", "run")
    assert deployment.query(COUNT) == [[before + 1]], "what the backup did not have is classified again"
    assert "nothing is wrong" in deployment.run("batch", "batch-client", "verify")


def test_upgrade_and_rollback_while_photos_are_classified(deployment: Deployment, contract: Contract) -> None:
    old = contract.model_version
    new = f"{int(old.partition('.')[0]) + 1}.0.0"
    _next_version(deployment, new)
    versions, place, manage, register, upgrade, rollback, remove = commands(
        section(page("deployment"), "Another model version")
    )
    assert re.fullmatch(r"OLD=\S+ NEW=\S+", versions), "the versions in the docs are an example"
    setting = f"OLD={old} NEW={new}\n{manage}\n"
    photo, started = encoded(mosaic((240, 320), 23)), deployment.inspect("server")["State"]["StartedAt"]
    with _requests_all_the_time(deployment) as answers:
        deployment.shell(setting + place)
        assert new in deployment.shell(setting + register)
        assert deployment.predict(photo).json()["model_version"] == old
        deployment.shell(setting + upgrade)
        assert deployment.predict(photo).json()["model_version"] == new
        assert new in deployment.run("batch", "batch-client", "status")
        deployment.shell(setting + rollback)
        assert deployment.predict(photo).json()["model_version"] == old
    assert set(answers) == {(200, old), (200, new)}, "nobody noticed but by the version"
    wait_for(lambda: _is_gone(deployment, new, setting + remove), "the version to be gone", seconds=60)
    assert deployment.inspect("server")["State"]["StartedAt"] == started


def _is_gone(deployment: Deployment, version: str, remove: str) -> bool:
    """Remove a version; the engine may answer 500, whether it is gone by then or not. Source: TorchServe 0.12, seen."""
    deployment.shell(f"{remove} || true")
    manage = ("server", "python3", "-m", "serving", "manage", "GET", "/models/refund_classifier/all")
    return version not in deployment.run(*manage)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "registry")}}
    (tmp_path / "registry.yml").write_text(
        json.dumps({"version": 0.1, "storage": storage, "http": {"addr": address}, "log": {"level": "error"}})
    )
    try:
        process = subprocess.Popen(["docker-registry", "serve", str(tmp_path / "registry.yml")])
    except FileNotFoundError:
        pytest.skip("docker-registry is not installed (Debian: apt-get install docker-registry)")
    try:
        wait_for(lambda: _listens(address), "the registry")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def test_release_tags_and_pushes_the_images(deployment: Deployment, registry: str, tmp_path: Path) -> None:
    target = f"{registry}/{deployment.name}"
    command = [sys.executable, "-m", "tools.release", target, "--version", "9.9.9", "--source", deployment.name]
    command += ["--source-tag", "test", "--sbom", str(tmp_path / "sbom")]
    try:
        planned = subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert [f"docker push {target}-{service}:9.9.9" in planned for service in SERVICES] == [True] * 3
        assert requests.get(f"http://{registry}/v2/_catalog", timeout=30).json() == {"repositories": []}
        subprocess.run(command, cwd=ROOT, check=True)
        for service in SERVICES:
            tags = requests.get(f"http://{registry}/v2/{deployment.name}-{service}/tags/list", timeout=30).json()
            assert tags["tags"] == ["9.9.9"]
            assert (tmp_path / "sbom" / f"{service}-9.9.9.cdx.json").is_file()
    finally:
        for service in SERVICES:
            docker("rmi", "--no-prune", f"{target}-{service}:9.9.9", check=False)


def _listens(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/v2/", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


@contextmanager
def _requests_all_the_time(deployment: Deployment) -> Iterator[list[tuple[int, str]]]:
    """Post one photo after the other for the block; gives a list that gets status and model version of each answer."""
    url, headers = deployment.url("server"), {"Authorization": f"Bearer {deployment.token}"}
    photo = encoded(mosaic((240, 320), 24))
    answers: list[tuple[int, str]] = []
    ended = threading.Event()

    def post() -> None:
        with requests.Session() as session:
            session.headers.update({**headers, "Content-Type": "image/jpeg"})
            while not ended.is_set():
                answer = session.post(f"{url}/predictions/refund_classifier", data=photo, timeout=60)
                answers.append((answer.status_code, answer.json().get("model_version", answer.text)))

    with ThreadPoolExecutor(1) as pool:
        posting = pool.submit(post)
        try:
            yield answers
        finally:
            ended.set()
            posting.result()


def _next_version(deployment: Deployment, version: str) -> None:
    """Write the served archive once more, as a later version."""
    archive = deployment.folder / "model_store" / f"refund_classifier-{version}.mar"
    served = archive.with_name("served.zip")
    docker("cp", f"{deployment.container('server')}:/app/model_store/refund_classifier.mar", str(served))
    with zipfile.ZipFile(served) as source, zipfile.ZipFile(archive, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "contract.json":
                content = json.dumps({**json.loads(content), "model_version": version}).encode()
            elif name == "MAR-INF/MANIFEST.json":
                manifest = json.loads(content)
                manifest["model"]["modelVersion"] = version
                content = json.dumps(manifest).encode()
            target.writestr(name, content)
    served.unlink()
