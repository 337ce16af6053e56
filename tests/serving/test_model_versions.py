"""The README's road from one model version to the next and back, walked with its own commands."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.drawn_photos import encoded, striped
from tests.serving.conftest import ServiceUnderTest

PHOTO = encoded(striped())
OLD, NEW = "2.0.0", "2.1.0"


def readme_commands() -> list[str]:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Model versions")[2].partition("\n## ")[0]
    return re.findall(r"^\$ (.+?)(?:\s+#.*)?$", section, flags=re.MULTILINE)


@pytest.fixture
def next_model(tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(ROOT / "model", tmp_path / "next"))
    for name in ("contract.json", "activation_ranges.json"):
        content = json.loads((folder / name).read_text())
        assert content["model_version"] == OLD
        (folder / name).write_text(json.dumps({**content, "model_version": NEW}))
    return folder


def test_upgrade_canary_rollback(second_service: ServiceUnderTest, next_model: Path) -> None:
    second_service.start()
    commands = readme_commands()
    script = "\n".join(["set -eu", *(f"{command}\necho; echo '--- end'" for command in commands)])
    for there, here in {
        "http://127.0.0.1:8080": second_service.url,
        "http://127.0.0.1:8081": second_service.management,
        "runs/next": str(next_model),
        "model_store/": f"{second_service.store}/",
    }.items():
        assert there in script
        script = script.replace(there, here)
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=second_service.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = dict(zip(commands, done.stdout.split("--- end\n"), strict=False))

    def output_of(part: str) -> str:
        return next(output for command, output in outputs.items() if part in command)

    assert json.loads(output_of("export describe"))["model_version"] == NEW
    assert "registered" in output_of("-X POST")
    assert json.loads(output_of(f"/predictions/refund_classifier/{NEW}"))["model_version"] == NEW
    assert "default" in output_of(f"{NEW}/set-default").lower()
    assert "default" in output_of(f"{OLD}/set-default").lower()
    assert "scaled to 2" in output_of("min_worker=2")
    assert second_service.post(PHOTO).json()["model_version"] == OLD
    versions = second_service.manage("GET", "/models/refund_classifier/all").json()
    assert {version["modelVersion"] for version in versions} == {OLD}
    assert len(versions[0]["workers"]) == 2
    kept = [second_service.store / f"refund_classifier{suffix}.mar" for suffix in ("", f"-{NEW}")]
    assert kept[0].read_bytes() == kept[1].read_bytes()
