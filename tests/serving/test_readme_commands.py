"""The commands of the README do what it says."""

import json
import re
import subprocess

from tests.conftest import ROOT
from tests.serving.conftest import ServiceUnderTest


def test_curl(service: ServiceUnderTest) -> None:
    first_steps = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What just happened")[0]
    commands = re.findall(r"^\$ (curl .+)$", first_steps, flags=re.MULTILINE)
    assert commands
    for command in commands:
        here = command.replace("http://127.0.0.1:8080", service.url)
        done = subprocess.run(
            ["bash", "-c", here], cwd=ROOT, env=service.environment, capture_output=True, text=True, check=True
        )
        assert "predicted_class" in json.loads(done.stdout)
