"""The archive: complete, self-contained, and the same model as the checkpoint."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from export import archive as archives
from export.cli import app
from export.graph import load_network
from export.verify import verify
from handler.contract import Contract
from tests.conftest import ROOT


def test_holds_the_whole_handler_and_nothing_else(archive: Path) -> None:
    files = set(archives.describe(archive)["files"])
    handler_files = {str(path.relative_to(ROOT)) for path in (ROOT / "handler").rglob("*.py")}
    others = {
        "MAR-INF/MANIFEST.json",
        "checkpoint.safetensors",
        "contract.json",
        "graph.xml",
        "graph.bin",
        "image_handler.py",
        "model-config.yaml",
    }
    assert files == handler_files | others


def test_manifest_names_the_versions(archive: Path, contract: Contract) -> None:
    with zipfile.ZipFile(archive) as packed:
        model = json.loads(packed.read("MAR-INF/MANIFEST.json"))["model"]
    assert model["modelName"] == "refund_classifier"
    assert model["modelVersion"] == contract.model_version
    assert model["configFile"] == "model-config.yaml"


def test_verification_notices_another_network(archive: Path, contract: Contract) -> None:
    network = load_network(ROOT / "model", contract)
    with torch.no_grad():
        network.network.fc.bias[3] += 4
    with pytest.raises(RuntimeError, match=r"logits of \S+ differ"):
        verify(archive, network, contract)


def test_verification_notices_a_missing_module(archive: Path, contract: Contract, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mar"
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(broken, "w") as part:
        for name in whole.namelist():
            if name != "handler/decoding/decode.py":
                part.writestr(name, whole.read(name))
    with pytest.raises(RuntimeError, match="does not load"):
        verify(broken, load_network(ROOT / "model", contract), contract)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "model", tmp_path / "model"))


def test_a_checkpoint_that_does_not_fit_is_refused_and_the_old_archive_stays(model: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / archives.ARCHIVE_NAME).write_bytes(b"the old one")
    weights = load_file(model / "checkpoint.safetensors")
    weights["fc.weight"] = weights["fc.weight"][:5].clone()
    save_file(weights, model / "checkpoint.safetensors")
    with pytest.raises(ValueError, match=r"parameter fc\.weight differs"):
        archives.build(model, store)
    assert (store / archives.ARCHIVE_NAME).read_bytes() == b"the old one"
    assert [path.name for path in store.iterdir()] == [archives.ARCHIVE_NAME]


def test_another_contract_under_the_same_versions_is_refused(archive: Path, model: Path, tmp_path: Path) -> None:
    fields = json.loads((model / "contract.json").read_text())
    store = tmp_path / "store"
    store.mkdir()
    built = shutil.copyfile(archive, store / archives.versioned_name(fields["model_version"]))
    (model / "contract.json").write_text(json.dumps({**fields, "accept_threshold": 0.5}))
    with pytest.raises(RuntimeError, match=f"{built.name} holds another contract.json .* Raise contract_version"):
        archives.build(model, store)
    assert built.read_bytes() == archive.read_bytes()


def test_missing_checkpoint_says_what_to_do(model: Path, tmp_path: Path) -> None:
    (model / "checkpoint.safetensors").unlink()
    result = CliRunner().invoke(app, ["build", "--model", str(model), "--store", str(tmp_path / "store")])
    assert result.exit_code == 1
    assert "make train" in str(result.exception)


def test_describe_command(archive: Path, contract: Contract, tmp_path: Path) -> None:
    described = json.loads(CliRunner().invoke(app, ["describe", str(archive)]).stdout)
    assert described["classes"] == list(contract.classes)
    (tmp_path / "other.zip").write_bytes(b"PK")
    result = CliRunner().invoke(app, ["describe", str(tmp_path / "other.zip")])
    assert "not a model archive" in str(result.exception)
