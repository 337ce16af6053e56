"""The manual builds as a site, and every page and link of it is there."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed (make docs installs it)")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    card = (tmp_path / "model-card.html").read_text(encoding="utf-8")
    assert "Model card" in card
    performance = (tmp_path / "performance.html").read_text(encoding="utf-8")
    assert 'src="benchmarks/load.png"' in performance
    assert (tmp_path / "benchmarks" / "load.png").read_bytes() == (ROOT / "benchmarks/results/load.png").read_bytes()
