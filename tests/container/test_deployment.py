"""`docker compose up`, and what a returns team does with it."""

import json
import re
import stat

import pytest
import requests

from tests.conftest import ROOT
from tests.container.conftest import size_mb
from tests.container.deployment import EVERY_MINUTE, NIGHTLY, SERVICES, Deployment, wait_for
from tests.container.engine import BASE_IMAGE, docker
from tests.drawn_photos import SAMPLES, encoded, heic, mosaic

LARGEST_MB = {"server": 950, "batch": 120, "web": 150}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_commands_of_the_readme_classify_and_show(deployment: Deployment) -> None:
    section = README.partition("## In containers")[2].partition("\n## ")[0]
    first = re.findall(r"^\$ (.+?)(?:\s+# .*)?$", section.partition("```\n")[0], flags=re.MULTILINE)
    assert first[0] == "docker compose up --build --wait", "that one the fixture ran"
    assert len(first) >= 4
    outputs = [deployment.shell(command) for command in first[1:]]
    assert "predicted_class" in json.loads(outputs[0])
    assert any("12 + known 0 + failed 0 + left 0" in output for output in outputs)
    assert "classified=12" in deployment.logs("batch") or "classified=12" in outputs[-1]


def test_a_tick_classifies_what_lies_in_the_inbox(deployment: Deployment) -> None:
    deployment.put("tick.jpg", encoded(mosaic((300, 400), 11)))
    deployment.put("phone.heic", heic(mosaic((300, 400), 12)))
    deployment.schedule(EVERY_MINUTE)
    wanted = "SELECT count(*) FROM predictions WHERE filename IN ('tick.jpg', 'phone.heic')"
    wait_for(lambda: deployment.query(wanted) == [[2]], "a tick")
    log = (deployment.folder / "logs" / "batch.log").read_text()
    assert all(json.loads(line)["message"] for line in log.splitlines()), "LOG_FORMAT reached the client"
    printed = [line.partition("{")[2] for line in deployment.logs("batch").splitlines() if "classified=2" in line]
    assert printed, "the lines of the file go to stdout too"
    assert all(line.partition("{")[2] in log for line in printed)
    due = deployment.run("batch", "batch-client", "schedule", "--next", "1")
    assert re.search(r"\+0[12]:00", due), "TZ reached the client"
    deployment.schedule(NIGHTLY)


def test_the_desk_demands_a_password_that_only_its_owner_can_read(deployment: Deployment) -> None:
    url = deployment.url("web")
    assert requests.get(f"{url}/review", headers={"Accept": "text/html"}, timeout=30).url.startswith(f"{url}/login")
    path = deployment.folder / "data" / "web" / "admin-password"
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    photo = {"file": (SAMPLES / "jeans.jpg").read_bytes()}
    answer = requests.post(f"{url}/predict/", files=photo, timeout=60)
    assert answer.json()["predicted_class"] == "Jeans"
    with requests.Session() as session:
        page = session.get(f"{url}/login", timeout=30).text
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)
        assert csrf
        form = {"name": "admin", "password": path.read_text().strip(), "csrf": csrf[1]}
        session.post(f"{url}/login", data=form, timeout=30)
        assert session.get(f"{url}/review", timeout=30).url.endswith("/review")


@pytest.mark.parametrize("service", SERVICES)
def test_hardened(deployment: Deployment, service: str) -> None:
    container = deployment.inspect(service)
    host = container["HostConfig"]
    assert container["Config"]["User"] == "1000:1000"
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] > 0 and host["PidsLimit"] > 0
    status = deployment.run(service, "cat", "/proc/1/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE) and re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Uid:\s+1000\s+1000", status, re.MULTILINE)
    assert "Read-only" in deployment.run(service, "sh", "-c", "echo x > /app/x 2>&1 || echo Read-only refused")
    assert (
        deployment.run(service, "sh", "-c", "touch /app/x 2>/dev/null && echo written || echo refused") == "refused\n"
    )
    for bindings in container["NetworkSettings"]["Ports"].values():
        assert all(binding["HostIp"] == "127.0.0.1" for binding in bindings)
    assert set(container["NetworkSettings"]["Ports"]) == {"server": {"8080/tcp"}, "web": {"8000/tcp"}}.get(
        service, set()
    )


def test_inbox_is_read_only_and_for_the_batch_client_alone(deployment: Deployment) -> None:
    mounts = {
        service: {m["Destination"]: m["RW"] for m in deployment.inspect(service)["Mounts"]} for service in SERVICES
    }
    assert {service for service in SERVICES if "/inbox" in mounts[service]} == {"batch"}
    assert mounts["batch"]["/inbox"] is False
    assert [mounts[service]["/run/keys"] for service in SERVICES] == [True, False, False]


@pytest.mark.parametrize("service", ["batch", "web"])
def test_only_the_inference_key_leaves_the_server(deployment: Deployment, service: str) -> None:
    assert deployment.run(service, "stat", "-c", "%a %u", "/run/keys/inference") == "400 1000\n"
    assert deployment.run(service, "find", "/run/keys", "-type", "f") == "/run/keys/inference\n"
    assert deployment.run(service, "cat", "/run/keys/inference").strip() == deployment.token
    management = deployment.run("server", "python3", "-m", "serving", "token", "--management").strip()
    everything = json.dumps(deployment.inspect(service)) + json.dumps(deployment.inspect("server"))
    assert management not in everything and deployment.token not in everything
    assert management not in deployment.run(service, "env") + deployment.run("server", "env")


def test_management_and_metrics_answer_inside_the_server_alone(deployment: Deployment) -> None:
    program = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    assert "2.0.0" in deployment.run(
        "server", "python3", "-m", "serving", "manage", "GET", "/models/refund_classifier/all"
    )
    deployment.run("batch", "python3", "-c", program, "server", "8080")
    for port in ("8081", "8082", "7070", "7071"):
        with pytest.raises(AssertionError, match=r"refused|timed out"):
            deployment.run("batch", "python3", "-c", program, "server", port)


@pytest.mark.parametrize("service", SERVICES)
def test_image_is_small_and_holds_only_what_runs(deployment: Deployment, service: str) -> None:
    image = f"{deployment.name}-{service}:test"
    own = size_mb(image) - size_mb(BASE_IMAGE)
    print(f"{service}: {own:.1f} MB over its base")
    assert own < LARGEST_MB[service]
    for program in ("pip", "pip3", "gcc", "cc", "make", "javac", "git", "curl"):
        assert deployment.run(service, "sh", "-c", f"command -v {program} || echo none") == "none\n", program
    listed = deployment.run(
        service, "find", "/opt/venv", "/app", "-name", "tests", "-o", "-name", "*.key", "-o", "-name", "pip"
    )
    assert listed == ""
    history = docker("history", "--no-trunc", image)
    assert "BEGIN CERTIFICATE" not in history
    assert json.loads(docker("inspect", image))[0]["Config"]["User"] == "1000:1000"


def test_the_fallback_graphs_work_in_the_slim_image(deployment: Deployment) -> None:
    """What this processor does not choose by itself: torch, and OpenVINO in float32."""
    program = """
import sys, tempfile, zipfile
folder = tempfile.mkdtemp()
zipfile.ZipFile('/app/model_store/refund_classifier.mar').extractall(folder)
sys.path.insert(0, folder)
from pathlib import Path
import numpy as np
from handler import contract, runtime
of = contract.load(Path(folder))
photos = np.random.default_rng(1).integers(0, 256, (2, of.input_size, of.input_size, 3), dtype=np.uint8)
logits = [runtime.load(Path(folder), of, 2, graph).infer(photos)[0] for graph in ('torch-f32', 'openvino-f32')]
print(np.abs(logits[0] - logits[1]).max())
"""
    assert float(deployment.run("server", "python3", "-c", program).splitlines()[-1]) < 1e-2
