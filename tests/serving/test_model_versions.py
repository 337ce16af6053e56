"""The way from one model version to the next and back, with the commands of the docs."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from handler.contract import Contract
from tests.conftest import ROOT
from tests.serving.conftest import ServiceUnderTest
from tests.support.documents import commands, page
from tests.support.drawn_photos import encoded, striped

PHOTO = encoded(striped())


@pytest.fixture
def next_version(contract: Contract) -> str:
    return f"{int(contract.model_version.partition('.')[0]) + 1}.0.0"


@pytest.fixture
def next_model(next_version: str, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(ROOT / "model", tmp_path / "next"))
    for name in ("contract.json", "activation_ranges.json"):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**content, "model_version": next_version}))
    return folder


def test_upgrade_canary_rollback(
    second_service: ServiceUnderTest, contract: Contract, next_version: str, next_model: Path
) -> None:
    old, new = contract.model_version, next_version
    second_service.start()
    versions, *steps = commands(page("model-versions"))
    assert re.fullmatch(r"OLD=\S+ NEW=\S+", versions), "the versions in the docs are an example"
    steps = [f"OLD={old} NEW={new}", *steps]
    script = "\n".join(["set -eu", *(f"{command}\necho; echo '--- end'" for command in steps)])
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
    outputs = dict(zip(steps, done.stdout.split("--- end\n"), strict=False))

    def output_of(part: str) -> str:
        return next(output for command, output in outputs.items() if part in command)

    assert json.loads(output_of("export describe"))["model_version"] == new
    assert "registered" in output_of("-X POST")
    assert json.loads(output_of("/predictions/refund_classifier/$NEW"))["model_version"] == new
    assert "default" in output_of("$NEW/set-default").lower()
    assert "default" in output_of("$OLD/set-default").lower()
    assert "scaled to 2" in output_of("min_worker=2")
    assert second_service.post(PHOTO).json()["model_version"] == old
    registered = second_service.manage("GET", "/models/refund_classifier/all").json()
    assert {version["modelVersion"] for version in registered} == {old}
    assert len(registered[0]["workers"]) == 2
    kept = [second_service.store / f"refund_classifier{suffix}.mar" for suffix in ("", f"-{new}")]
    assert kept[0].read_bytes() == kept[1].read_bytes()
