"""The benchmarks run from end to end; their figures are not looked at, for a test machine has other things to do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.services import ROOT


@pytest.mark.timeout(1200)
def test_quick_run_writes_the_promised_shape(archive: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--archive", str(archive), "--output", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    for figure in figures:
        assert set(figure) == {"figure", "unit", "ours", "baseline", "ratio"}
        for name in ("ours", "baseline", "ratio"):
            spread = figure[name]
            assert set(spread) == {"min", "median", "max"}
            assert 0 < spread["min"] <= spread["median"] <= spread["max"], (figure["figure"], name)
    by_name = {figure["figure"]: figure for figure in figures}
    assert len(by_name) == len(figures) >= 18, "each figure once"
    for name in (
        "throughput at 2 clients, 1080x1440",
        "throughput at 2 clients, 4000x3000",
        "p99 at 1 client, 1080x1440",
    ):
        assert name in by_name
    assert by_name["requests answered 200 or 503 at 20 clients"]["ours"]["min"] == 1
    with Image.open(tmp_path / "load.png") as picture:
        assert picture.format == "PNG"
