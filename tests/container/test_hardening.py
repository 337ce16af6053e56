"""What a container may do, and what it gets to see."""

import json
import re
from pathlib import Path

import pytest

from handler.contract import Contract
from tests.container.deployment import OWNER, SERVICES, Deployment

PUBLISHED = {"server": {"8080/tcp"}, "batch": set(), "web": {"8000/tcp"}}
# Where a container may write, and where it may only read. tmpfs apart.
MOUNTS = {
    "server": {"/run/keys": True, "/logs": True, "/models": False},
    "batch": {"/inbox": False, "/data": True, "/logs": True, "/run/keys": False},
    "web": {"/accounts": True, "/data": True, "/data/media": False, "/run/keys": False},
}
FOLDERS = {
    **{"/inbox": "inbox", "/data": "data", "/data/media": "data/media", "/accounts": "accounts"},
    **{"/logs": "logs", "/models": "model_store"},
}
IN_MEMORY = {"server": {"/tmp", "/run/serving"}, "batch": {"/tmp"}, "web": {"/tmp"}}


@pytest.mark.parametrize("service", SERVICES)
def test_hardened(deployment: Deployment, service: str) -> None:
    container = deployment.inspect(service)
    host = container["HostConfig"]
    assert container["Config"]["User"] == "1000:1000"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    status = deployment.run(service, "cat", "/proc/1/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Uid:\s+1000\s+1000", status, re.MULTILINE)
    assert "Read-only" in deployment.run(service, "sh", "-c", "echo x > /app/x 2>&1 || echo Read-only refused")
    assert deployment.run(service, "sh", "-c", "find / -xdev -type f -writable 2>/dev/null || true") == "", "its code"


@pytest.mark.parametrize("service", SERVICES)
def test_only_loopback_reaches_what_is_published(deployment: Deployment, service: str) -> None:
    ports = deployment.inspect(service)["NetworkSettings"]["Ports"]
    assert set(ports) == PUBLISHED[service]
    assert [binding["HostIp"] for bindings in ports.values() for binding in bindings] == ["127.0.0.1"] * len(ports)


@pytest.mark.parametrize("service", SERVICES)
def test_it_sees_its_own_folders_alone(deployment: Deployment, service: str) -> None:
    """The inbox for the batch client alone, and to read; keys written by the server, read by its clients."""
    container = deployment.inspect(service)
    assert {mount["Destination"]: mount["RW"] for mount in container["Mounts"]} == MOUNTS[service]
    assert set(container["HostConfig"]["Tmpfs"]) == IN_MEMORY[service]
    sources = {mount["Destination"]: mount["Source"] for mount in container["Mounts"]}
    for inside, outside in FOLDERS.items():
        assert inside not in sources or sources[inside] == str(deployment.folder / outside)


def test_the_client_that_decodes_photos_cannot_reach_accounts_and_sessions(deployment: Deployment) -> None:
    kept = {path.name for path in (deployment.folder / "accounts").iterdir() if path.is_file()} - {".gitkeep"}
    assert "accounts" in kept  # the file with the first password is gone after the first login
    names = " -o ".join(f"-name {name}" for name in sorted(kept))
    look = f"find / -path /proc -prune -o -path /sys -prune -o -type f \\( {names} \\) -print 2>/dev/null || true"
    assert deployment.run("batch", "sh", "-c", look) == ""
    found = {Path(line).name for line in deployment.run("web", "sh", "-c", look).splitlines()}
    assert kept <= found, "it finds them where they are"
    refused = deployment.run("web", "sh", "-c", "echo x > /data/media/x 2>&1 || echo refused")
    assert "refused" in refused


@pytest.mark.parametrize("service", ["batch", "web"])
def test_only_the_inference_key_leaves_the_server(deployment: Deployment, service: str) -> None:
    assert deployment.run(service, "stat", "-c", "%a %u", "/run/keys/inference") == f"400 {OWNER}\n"
    assert deployment.run(service, "stat", "-f", "-c", "%T", "/run/keys") == "tmpfs\n", "never on a disk"
    assert deployment.run(service, "find", "/run/keys", "-type", "f") == "/run/keys/inference\n"
    assert deployment.run(service, "cat", "/run/keys/inference").strip() == deployment.token
    management = deployment.run("server", "python3", "-m", "serving", "token", "--management").strip()
    everything = json.dumps(deployment.inspect(service)) + json.dumps(deployment.inspect("server"))
    assert management not in everything
    assert deployment.token not in everything
    assert management not in deployment.run(service, "env") + deployment.run("server", "env")


def test_management_and_metrics_answer_inside_the_server_alone(deployment: Deployment, contract: Contract) -> None:
    program = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    manage = ("server", "python3", "-m", "serving", "manage", "GET", "/models/refund_classifier/all")
    assert [loaded["modelVersion"] for loaded in json.loads(deployment.run(*manage))] == [contract.model_version]
    deployment.run("batch", "python3", "-c", program, "server", "8080")
    for port in ("8081", "8082", "7070", "7071"):
        with pytest.raises(AssertionError, match=r"refused|timed out"):
            deployment.run("batch", "python3", "-c", program, "server", port)
