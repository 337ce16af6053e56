"""pyproject.toml, the locks of requirements/ and the imports of the rooms agree with each other."""

import ast
import importlib.metadata
import re
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
GROUPS = PYPROJECT["dependency-groups"]
NAMES = sorted([*EXTRAS, *GROUPS])
# Room -> the extras that bring what it imports.
ROOMS = {
    "handler": ["serving"],
    "export": ["serving"],
    "serving": ["serving"],
    "service_client": [],
    "batch_client": ["batch", "s3", "gs", "az", "sftp", "parquet"],
    "web": ["web"],
    "training": ["training"],
    "benchmarks": ["benchmarks", "web"],
}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", flags=re.MULTILINE)


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def pins(name: str) -> dict[str, set[str]]:
    """Return the locked versions of each package; several where they depend on Python's version."""
    found: dict[str, set[str]] = {}
    for package, version in _PIN.findall(lock(name)):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


def wanted(extra: str) -> list[Requirement]:
    """Return what an extra asks for, with the extras that it contains, and what every program needs."""
    requirements = [Requirement(line) for line in [*PROJECT["dependencies"], *EXTRAS[extra]]]
    own = [requirement for requirement in requirements if requirement.name == PROJECT["name"]]
    inner = [requirement for part in own for name in part.extras for requirement in wanted(name)]
    return [requirement for requirement in requirements if requirement not in own] + inner


def test_each_extra_and_each_group_has_a_lock_and_no_other_file_is_there() -> None:
    assert sorted(path.stem for path in (ROOT / "requirements").iterdir()) == sorted([*NAMES, "torch"])


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_pins_each_package_with_hashes_and_names_no_index(name: str) -> None:
    text = lock(name)
    assert "//" not in text
    assert not re.search(r"^-", text, flags=re.MULTILINE)
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert _PIN.match(entry), entry
        assert "--hash=sha256:" in entry, entry
    everything = pins("dev")
    assert all(versions <= everything[package] for package, versions in pins(name).items())


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_a_lock_fits_what_pyproject_asks_for(extra: str) -> None:
    locked = pins(extra) | {"torch": {lock("torch").rpartition("==")[2].strip()}}
    for requirement in wanted(extra):
        for version in locked[canonicalize_name(requirement.name)]:
            assert requirement.specifier.contains(version), f"{requirement}: run `make lock`"


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_the_lock_of_a_group_fits_what_pyproject_asks_for(group: str) -> None:
    for line in GROUPS[group]:
        requirement = Requirement(line)
        for version in pins(group)[canonicalize_name(requirement.name)]:
            assert requirement.specifier.contains(version), f"{requirement}: run `make lock`"


def test_torch_is_locked_once_and_its_dependencies_are_those_of_the_cpu_build() -> None:
    (metadata,) = PYPROJECT["tool"]["uv"]["dependency-metadata"]
    assert lock("torch").endswith(f"\ntorch=={metadata['version']}\n")
    needed = {Requirement(line) for line in metadata["requires-dist"]}
    assert {canonicalize_name(requirement.name) for requirement in needed} <= set(pins("serving"))
    for name in NAMES:
        assert not [package for package in pins(name) if package == "torch" or package.startswith("nvidia-")]


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_what_a_room_imports_is_declared(room: str) -> None:
    declared = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    for extra in ROOMS[room]:
        declared |= {canonicalize_name(requirement.name) for requirement in wanted(extra)}
    ours = {path.name for path in ROOT.iterdir()} | {"image_handler"}
    distributions = importlib.metadata.packages_distributions()
    imported = {
        name
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _modules(node)
    }
    for module in sorted(imported - ours - sys.stdlib_module_names):
        owners = {canonicalize_name(owner) for owner in distributions.get(module, [module])}
        assert owners & declared, f"{room} imports {module}, which is in none of the extras {ROOMS[room]}"


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name.partition(".")[0] for name in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module.partition(".")[0]]
    return []
