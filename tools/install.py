"""Install the project's dependencies, with the CPU build of torch unless told otherwise.

The plain registry build of torch for Linux brings several gigabytes of CUDA libraries that a CPU box never loads.
Standard library only: it runs before anything else is installed.

Usage: python -m tools.install GROUP...        (a group is a file of requirements/: serving, batch, web, training, dev)
"""

import importlib
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def main() -> None:
    """Install the groups named on the command line, and the project itself."""
    groups = sys.argv[1:]
    missing = [group for group in groups if not (REQUIREMENTS / f"{group}.txt").is_file()]
    if not groups or missing:
        raise SystemExit(f"usage: python -m tools.install GROUP...; no such group: {missing}")
    if needs_torch(groups):
        source = install_torch(torch_version(), os.environ.get("TORCH"))
        print(f"torch: {installed_torch()}, {source}", flush=True)
    files = [argument for group in groups for argument in ("-r", str(REQUIREMENTS / f"{group}.txt"))]
    # In the mode `compat` the project is one entry on the import path. The default mode finds single modules of a
    # package, and would quietly lend a worker what an archive lacks.
    project = ("--no-deps", "--config-settings", "editable_mode=compat", "-e", str(ROOT))
    if not pip(*files, "-c", str(REQUIREMENTS / "constraints.txt")) or not pip(*project):
        raise SystemExit("the installation failed; pip's message is above")


def needs_torch(groups: list[str]) -> bool:
    """Tell whether any of the groups serves or trains."""
    return any(group not in ("batch", "web") for group in groups)


def torch_version() -> str:
    """Return the version of torch that requirements/serving.txt pins."""
    for line in (REQUIREMENTS / "serving.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("torch=="):
            return line.removeprefix("torch==").split("#")[0].strip()
    raise SystemExit("requirements/serving.txt does not pin torch")


def install_torch(version: str, build: str | None) -> str:
    """Install torch and return words that say where it came from.

    Args:
        version: without a local part.
        build: ``cpu``, or ``cuda`` for the registry's own; None: what is there, if it is this version, else ``cpu``.
    """
    index = os.environ.get("TORCH_INDEX_URL", CPU_INDEX)
    if build is None and installed_torch().split("+")[0] == version:
        return "installed before"
    if build in (None, "cpu"):
        if pip("--no-deps", f"torch=={version}+cpu", quiet=True):
            return "the CPU build that pip finds as it is set up on this machine"
        if pip("--no-deps", "--index-url", index, f"torch=={version}", quiet=True):
            return f"the CPU build from {index}"
        print(f"torch: no CPU build at {index}; taking the registry's, which may be several GB", flush=True)
    # A CPU build that is there already would satisfy the plain version.
    again = ("--force-reinstall",) if build == "cuda" and "+cpu" in installed_torch() else ()
    if not pip("--no-deps", *again, f"torch=={version}"):
        raise SystemExit("torch cannot be installed; pip's message is above")
    return "the registry's build for this platform"


def installed_torch() -> str:
    """Return the version of torch as it is now, its local part (+cpu, +cu130) included, or ``none``."""
    try:
        importlib.invalidate_caches()
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def pip(*arguments: str, quiet: bool = False) -> bool:
    """Run ``pip install``; true when it worked. Quiet hides a failure that has a remedy."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, stdout=output, stderr=output).returncode == 0


if __name__ == "__main__":
    main()
