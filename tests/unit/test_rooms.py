"""Who may import whom: what is sent elsewhere, or lives in a small image, must not bring the rest along."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.rooms import MAY_IMPORT, ROOMS


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    imported = set(_imports(room))
    assert imported, "no import was found, so none was checked"
    assert imported & ROOMS - {room} <= MAY_IMPORT[room]


def _imports(room: str) -> Iterator[str]:
    """Give the first name of each import, those inside functions included."""
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                # One spelling for the repository, the tests and the archive.
                assert node.level == 0, f"{path}: imports must be absolute"
                assert node.module is not None, f"{path}: imports must be absolute"
                yield node.module.split(".")[0]


def test_no_test_module_imports_another() -> None:
    """What tests share is in tests/support, or in a module of their level that holds no test."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for module in _modules(path):
            assert not module.rpartition(".")[2].startswith("test_"), f"{path} imports {module}"


@pytest.mark.parametrize("level", ["browser", "container"])
def test_a_level_of_whole_programs_imports_no_other_level(level: str) -> None:
    mine = ("tests.support", "tests.conftest", f"tests.{level}")
    for path in (ROOT / "tests" / level).rglob("*.py"):
        theirs = [module for module in _modules(path) if module.startswith("tests.") and not module.startswith(mine)]
        assert not theirs, f"{path} imports {theirs}"


def _modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
