"""Who may import whom: what is sent elsewhere, or lives in a small image, must not bring the rest along."""

import ast
from collections.abc import Iterator

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
