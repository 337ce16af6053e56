"""The recipes of the shipped model run as one chain; their models mean nothing, because each has one small epoch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from export.graph import load_network
from handler import contract as contracts
from tests.conftest import ROOT
from tests.support.catalog import write_patchworks

SMALL = ("epochs=1", "photos_per_epoch=64", "batch_size=16", "input_size=32", "fuse=false")


@pytest.mark.timeout(1800)
def test_the_recipes_of_the_shipped_model(tmp_path: Path) -> None:
    write_patchworks(tmp_path)
    labels = tmp_path / "labels.csv"
    labels.write_text("photo,accepts\nSocks0,Socks;Belts\n")
    changes = [part for change in (*SMALL, f"labels={labels}") for part in ("--set", change)]
    command = [sys.executable, "-m", "training", "reproduce", "--data", str(tmp_path), "--runs", str(tmp_path / "runs")]
    done = subprocess.run([*command, *changes], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = sorted(path.stem for path in (ROOT / "training" / "recipes" / "shipped").glob("*.toml"))
    assert [folder.name for folder in sorted((tmp_path / "runs").iterdir())] == names
    models = [path.parent for path in sorted((tmp_path / "runs").glob("*/model/contract.json"))]
    versions = [contracts.load(model).model_version for model in models]
    assert len(set(versions)) == len(versions) == 8
    load_network(models[-1], contracts.load(models[-1]))
    assert json.loads((models[-1] / "figures.json").read_text())["test_of"]["model_version"] == versions[-2]
