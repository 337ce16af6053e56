"""The commands that stand in the documents exist, and a shell can read them."""

import importlib.util
import json
import re
import subprocess

import pytest

from batch_client.cli import app
from tests.support.documents import ROOT, commands, documents

TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in documents()}
CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def _mentioned(pattern: str) -> set[str]:
    """Return what a pattern finds in code: in spans between backticks, and in the commands of console blocks."""
    return {
        found
        for text in TEXTS.values()
        for code in (*re.findall(r"`([^`\n]+)`", text), *commands(text))
        for found in re.findall(pattern, code)
    }


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    mentioned = _mentioned(r"\bmake (?:-s )?([a-z][a-z-]*)")
    assert {"run", "test", "unit", "dev", "train"} <= mentioned
    assert mentioned - targets == set()


def test_every_module_that_is_run_exists() -> None:
    modules = _mentioned(r"\bpython3? -m ([\w.]+)")
    assert {"export", "web", "serving", "benchmarks.desk"} <= modules
    assert {name for name in modules if importlib.util.find_spec(name) is None} == set()


def test_every_command_of_the_batch_client_exists() -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    mentioned = _mentioned(r"\bbatch-client ([a-z][a-z-]*)")
    assert {"run", "schedule", "purge"} <= mentioned
    assert mentioned - known == set()


def test_every_program_and_configuration_that_is_named_exists() -> None:
    paths = _mentioned(r"(?<![\w./])([a-z_]+/[\w/.-]+\.(?:py|sh|yml|yaml|toml|txt))\b")
    assert {"tests/unit/test_rooms.py", "deploy/alerts.yml", "handler/model-config.yaml"} <= paths
    assert {path for path in paths if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("name", sorted(name for name, text in TEXTS.items() if commands(text)))
def test_a_shell_can_read_the_commands(name: str) -> None:
    script = "\n".join(commands(TEXTS[name]))
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_changelog_is_kept_as_its_format_says() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sections[0] == "Unreleased"
    dates = [section.rpartition(" - ")[2] for section in sections[1:]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for date in dates)
    assert dates == sorted(dates, reverse=True), "the newest comes first"
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= CHANGES
    shipped = json.loads((ROOT / "model" / "contract.json").read_text(encoding="utf-8"))["model_version"]
    assert any(section.startswith(f"Model {shipped} ") for section in sections)
