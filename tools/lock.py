"""Write the locks of requirements/: exact versions and hashes of every extra and dependency group of pyproject.toml.

A lock has the whole set of packages of its name for Linux and macOS, so that pip can install it without resolving.
``dev.txt`` covers everything; the others take their versions from it. A version stays until ``--upgrade`` or
pyproject.toml asks for another. torch has a file of its own without hashes: see ``tools/install.py``.

Usage: python -m tools.lock [--upgrade [PACKAGE...]]
"""

import subprocess
import sys
import tomllib
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
EVERYTHING = "dev"
_HEADER = "# Written by `make lock` from pyproject.toml. Do not edit.\n"


def main() -> None:
    """Write all locks; with ``--upgrade``, take the newest versions, of all packages or of those named."""
    match sys.argv[1:]:
        case []:
            upgrade = []
        case ["--upgrade"]:
            upgrade = ["--upgrade"]
        case ["--upgrade", *packages]:
            upgrade = [f"--upgrade-package={package}" for package in packages]
        case _:
            raise SystemExit("usage: python -m tools.lock [--upgrade [PACKAGE...]]")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    write_lock(EVERYTHING, [*(f"--extra={name}" for name in extras), *(f"--group={name}" for name in groups)], upgrade)
    constraints = [f"--constraints={LOCKS / EVERYTHING}.txt"]
    for name in extras:
        write_lock(name, [f"--extra={name}", *constraints], upgrade)
    for name in groups:
        if name != EVERYTHING:
            write_lock(name, [f"--only-group={name}", *constraints], upgrade)
    (torch,) = (line for line in extras["serving"] if line.startswith("torch=="))
    (LOCKS / "torch.txt").write_text(f"{_HEADER}{torch}\n", encoding="utf-8")


def write_lock(name: str, selection: list[str], upgrade: list[str]) -> None:
    """Write ``requirements/NAME.txt``.

    Args:
        name: of an extra or a dependency group.
        selection: arguments that choose what is locked.
        upgrade: arguments that allow newer versions.
    """
    path = LOCKS / f"{name}.txt"
    source = [] if selection[0].startswith("--only-group") else ["pyproject.toml"]
    selection = [argument.replace("--only-group=", "--group=pyproject.toml:") for argument in selection]
    fixed = ["--universal", "--generate-hashes", "--no-header", "--no-emit-package=torch", "--python-version=3.11"]
    command = [
        find_uv_bin(),
        "pip",
        "compile",
        "--quiet",
        *source,
        *selection,
        *fixed,
        *upgrade,
        f"--output-file={path}",
    ]
    if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode != 0:
        raise SystemExit(f"{path.name}: uv found no set of versions that fits; its message is above")
    lock = path.read_text(encoding="utf-8")
    path.write_text(_HEADER + lock.removeprefix(_HEADER), encoding="utf-8")


if __name__ == "__main__":
    main()
