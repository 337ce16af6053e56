"""Each program and configuration of examples/ does what it says."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml

from handler import contract as contracts
from tests.conftest import ROOT
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import SAMPLES, encoded, mosaic
from tests.support.stub_service import DRAINING, NOT_A_PHOTO, StubService, prediction, stub_service

EXAMPLES = ROOT / "examples"


def classify(folder: Path, stub: StubService) -> list[str]:
    environment = {**os.environ, "URL": stub.url, "TOKEN": stub.token}
    command = [sys.executable, str(EXAMPLES / "classify_folder.py"), str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


class TestClient:
    def test_it_tries_again_only_where_that_helps(self, tmp_path: Path) -> None:
        for number, name in enumerate(("a.jpg", "b.jpg")):
            (tmp_path / name).write_bytes(encoded(mosaic((60, 80), number)))
        (tmp_path / "c.txt").write_bytes(b"no photo")
        with stub_service() as stub:
            stub.answer = lambda body, attempt: (
                NOT_A_PHOTO if body == b"no photo" else DRAINING if attempt == 1 else prediction("Belts")
            )
            lines = classify(tmp_path, stub)
            assert lines == [
                "a.jpg\taccept Belts 0.900",
                "b.jpg\taccept Belts 0.900",
                "c.txt\tfailed unsupported_format: These bytes are no photo.",
            ]
            assert len(stub.photos) == 5

    def test_it_is_short(self) -> None:
        lines = (EXAMPLES / "classify_folder.py").read_text(encoding="utf-8").splitlines()
        assert len([line for line in lines if line.strip()]) <= 40


class TestManifest:
    def test_the_program_makes_the_manifest_in_the_words_of_the_shop(self) -> None:
        command = [sys.executable, "make_manifest.py", "orders.csv"]
        done = subprocess.run(command, cwd=EXAMPLES / "manifest", capture_output=True, text=True, check=True)
        assert done.stdout == (EXAMPLES / "manifest" / "manifest.csv").read_text(encoding="utf-8")
        assert done.stderr == ""

    def test_the_batch_client_takes_it_with_the_map(self, rig: BatchRig) -> None:
        classes = list(contracts.load(ROOT / "model").classes)
        rig.stub.describes = lambda: (200, {"model_version": "1", "contract_version": "1", "classes": classes})
        rig.stub.answer = lambda body, attempt: prediction("Handbags")
        for number, name in enumerate(("r-4711/front.jpg", "r-4711/back.jpg", "r-4712/1.jpg", "r-4713/1.jpg")):
            (rig.inbox / name).parent.mkdir(parents=True, exist_ok=True)
            (rig.inbox / name).write_bytes(encoded(mosaic((60, 80), number)))
        shutil.copy(EXAMPLES / "manifest" / "manifest.csv", rig.inbox)
        rig.environment["CATEGORY_MAP"] = str(EXAMPLES / "manifest" / "category_map.csv")
        code, output = rig.run()
        assert code == 0, output
        unknown = "'Wohnen > Lampen' is none of the categories and not in CATEGORY_MAP (1 line)"
        assert unknown in " ".join(output.split())
        stored = "SELECT return_id, expected_category, shop_category, mismatch FROM outcomes ORDER BY filename"
        assert rig.rows(stored) == [
            ("R-4711", "Handbags", "Damen > Taschen > Handtaschen", 0),
            ("R-4711", "Handbags", "Damen > Taschen > Handtaschen", 0),
            ("R-4712", "Sports Shoes|Casual Shoes", "Herren > Schuhe > Sneaker", 1),
            ("R-4713", None, "Wohnen > Lampen", None),
        ]


@contextmanager
def caddy(folder: Path, service: str, desk: str) -> Iterator[tuple[str, requests.Session]]:
    """Run Caddy with the example's configuration on a free port; give its URL, and a session that trusts it."""
    if shutil.which("caddy") is None:
        pytest.skip("caddy is not installed (Debian: apt-get install caddy)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = (EXAMPLES / "Caddyfile").read_text(encoding="utf-8")
    # Port 80 and the administration port may be taken on this machine.
    here = text.replace("\tskip_install_trust\n", "\tskip_install_trust\n\tauto_https disable_redirects\n\tadmin off\n")
    assert here != text
    (folder / "Caddyfile").write_text(here)
    own = {"SITE": f"https://localhost:{port}", "SERVICE": service, "DESK": desk, "XDG_DATA_HOME": str(folder)}
    environment = {**os.environ, **own, "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
    log = folder / "caddy.log"
    with log.open("wb") as file:
        command = ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        certificate = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        deadline = time.monotonic() + 60
        while not ("serving initial configuration" in log.read_text() and "certificate obtained" in log.read_text()):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(certificate)
            yield own["SITE"], session
    finally:
        process.terminate()
        process.wait(30)


class TestCaddy:
    def test_only_photos_reach_the_service(self, tmp_path: Path) -> None:
        with stub_service() as stub, caddy(tmp_path, stub.url, "127.0.0.1:9") as (base, session):
            url = f"{base}/predictions/refund_classifier"
            photo = (SAMPLES / "jeans.jpg").read_bytes()
            headers = {"Authorization": f"Bearer {stub.token}"}
            for content_type in ("image/jpeg", "image/heic", "application/octet-stream"):
                answer = session.post(url, photo, headers={**headers, "Content-Type": content_type}, timeout=30)
                assert (answer.status_code, answer.json()["predicted_class"]) == (200, "Socks")
                assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
            assert len(stub.photos) == 3
            for content_type in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/plain"):
                refused = session.post(url, photo, headers={**headers, "Content-Type": content_type}, timeout=30)
                assert (refused.status_code, refused.json()["error"]["code"]) == (415, "unsupported_format")
            for path in ("/predictions/other", "/predictions/refund_classifier/1.0.0"):
                refused = session.post(
                    base + path, photo, headers={**headers, "Content-Type": "image/jpeg"}, timeout=30
                )
                assert refused.status_code == 415
            too_large = session.post(
                url, bytes(50_000_001), headers={**headers, "Content-Type": "image/jpeg"}, timeout=60
            )
            assert too_large.status_code in (413, 502)
            assert max(map(len, stub.photos)) <= 50_000_000

    def test_everything_else_is_the_desk(self, tmp_path: Path) -> None:
        with stub_service() as desk, caddy(tmp_path, "127.0.0.1:9", desk.url) as (base, session):
            answer = session.post(f"{base}/desk/claim", b"x", timeout=30)
            assert answer.json()["type"] == "InvalidKeyException", "what the stub says to everybody without a key"


@pytest.mark.parametrize("unit", sorted(path.name for path in (EXAMPLES / "systemd").iterdir()))
def test_systemd_takes_each_unit(unit: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "batch-client"):
        (programs / name).symlink_to(sys.executable)
    for path in (EXAMPLES / "systemd").iterdir():
        text = path.read_text(encoding="utf-8").replace("/opt/refund-classifier", str(tmp_path))
        (tmp_path / path.name).write_text(text)
    verify = ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)]
    done = subprocess.run(verify, capture_output=True, text=True)
    findings = [line for line in done.stderr.splitlines() if str(tmp_path) in line or unit in line]
    assert (done.returncode, findings) == (0, [])
    wrong = (tmp_path / unit).read_text().replace("ExecStart=", "ExecStrat=")
    (tmp_path / unit).write_text(wrong)
    assert "ExecStrat" in subprocess.run(verify, capture_output=True, text=True).stderr


@pytest.mark.parametrize("unit", sorted(path.name for path in (EXAMPLES / "systemd").iterdir()))
def test_each_unit_starts_a_command_that_is_there(unit: str) -> None:
    found = re.search(r"^ExecStart=\S+/\.venv/bin/(.+)$", (EXAMPLES / "systemd" / unit).read_text(), re.MULTILINE)
    assert found is not None
    program, *arguments = found[1].split()
    command = {"python": [sys.executable], "batch-client": [sys.executable, "-m", "batch_client"]}[program]
    done = subprocess.run([*command, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_example_of_settings_names_variables_of_the_compose_file_with_their_defaults() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
    services = yaml.safe_load(text)["services"].values()
    passed = {name for service in services for name in service.get("environment", {})}
    lines = re.findall(r"^#([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) > 10
    documented = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for name, value in lines:
        assert name in defaults or name in passed, f"{name} is no variable of docker-compose.yml"
        assert f"`{name}`" in documented, name
        assert value == defaults.get(name, value), name


def test_no_setting_of_the_example_is_switched_on() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_the_list_of_examples_is_complete() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.iterdir():
        assert path.name == "README.md" or f"]({path.name}" in listed, path.name
