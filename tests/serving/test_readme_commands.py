"""The commands of the README do what it says."""

import json
import re
import subprocess

from tests.conftest import ROOT
from tests.serving.conftest import ServiceUnderTest


def test_curl(service: ServiceUnderTest) -> None:
    commands = re.findall(r"^\$ (curl .+)$", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert commands
    for command in commands:
        here = command.replace("http://127.0.0.1:8080", service.url)
        done = subprocess.run(
            ["bash", "-c", here], cwd=ROOT, env=service.environment, capture_output=True, text=True, check=True
        )
        assert "predicted_class" in json.loads(done.stdout)
