"""The bill of materials of each image: what its locks pin, with hashes."""

import json
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools import bill_of_materials


@pytest.mark.parametrize("image", bill_of_materials.LOCKS)
def test_it_names_each_package_of_the_locks(image: str, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "image.cdx.json"
    bill_of_materials.write(image, ("postgresql",), path)
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "refund-classifier"
    found = {(component["name"], component["version"]): component for component in document["components"]}
    names = [*bill_of_materials.LOCKS[image], *(["postgresql"] if image != "server" else [])]
    for name in names:
        lock = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        pins = re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;]+)", lock, re.MULTILINE)
        assert pins
        assert set(pins) <= found.keys()
    assert any(name == "psycopg" for name, _ in found) == (image != "server")
    without_hash = [name for (name, _), part in found.items() if '"SHA-256"' not in json.dumps(part)]
    assert without_hash == (["torch"] if image == "server" else [])
