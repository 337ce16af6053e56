"""Install the project with its locked dependencies, and the CPU build of torch unless ``TORCH`` asks for another.

Every package but torch is installed from a lock of ``requirements/``, and pip checks its hash. torch is the exception,
because the registry's build of torch for Linux brings several gigabytes of CUDA libraries that a CPU never loads. The
CPU build has another version (``2.13.0+cpu``), comes from another index, and has other hashes on each of them.
Standard library only: this program runs before anything else is installed.

Usage: python -m tools.install NAME...      (the name of a lock: serving, batch, web, training, s3, postgresql, dev)
"""

import importlib
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# A lock has the whole set of packages. Some have no wheel and are built with the setuptools of the lock `build`.
_LOCKED = ("--require-hashes", "--no-deps", "--no-build-isolation")
_WITH_TORCH = ("serving", "training", "benchmarks", "dev")


def main() -> None:
    """Install the locks named on the command line, and the project itself."""
    names = sys.argv[1:]
    missing = [name for name in names if not (LOCKS / f"{name}.txt").is_file()]
    if not names or missing:
        known = " ".join(sorted(path.stem for path in LOCKS.glob("*.txt")))
        raise SystemExit(f"usage: python -m tools.install NAME...\nno such lock: {missing}; there are: {known}")
    if any(name in _WITH_TORCH for name in names):
        source = install_torch(torch_version(), os.environ.get("TORCH"))
        print(f"torch: {installed_torch()}, {source}", flush=True)
    files = [argument for name in names for argument in ("-r", str(LOCKS / f"{name}.txt"))]
    # In the mode `compat` the project is one entry on the import path. The default mode finds single modules of a
    # package, and would quietly lend a worker what an archive lacks.
    project = ("--no-deps", "--no-build-isolation", "--config-settings", "editable_mode=compat", "-e", str(ROOT))
    if not (pip(*_LOCKED, "-r", str(LOCKS / "build.txt")) and pip(*_LOCKED, *files) and pip(*project)):
        raise SystemExit("the installation failed; pip's message is above")


def torch_version() -> str:
    """Return the version of torch that is locked, without a local part."""
    return (LOCKS / "torch.txt").read_text(encoding="utf-8").rpartition("torch==")[2].strip()


def install_torch(version: str, build: str | None) -> str:
    """Install torch and return a phrase that says where it came from.

    Args:
        version: without a local part.
        build: ``cpu``, or ``cuda`` for the registry's build. None keeps an installed build of this version, and takes
            ``cpu`` otherwise.
    """
    index = os.environ.get("TORCH_INDEX_URL", CPU_INDEX)
    if build is None and installed_torch().split("+")[0] == version:
        return "installed before"
    if build in (None, "cpu"):
        if pip("--no-deps", f"torch=={version}+cpu", quiet=True):
            return "the CPU build that pip found with this machine's settings"
        if pip("--no-deps", "--index-url", index, f"torch=={version}", quiet=True):
            return f"the CPU build from {index}"
        print(f"torch: no CPU build at {index}; taking the registry's, which may be several GB", flush=True)
    # A CPU build that is there already would satisfy the plain version.
    again = ("--force-reinstall",) if build == "cuda" and "+cpu" in installed_torch() else ()
    # The registry's build has dependencies that no lock has, such as the CUDA libraries.
    if not pip(*again, f"torch=={version}"):
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
    """Run ``pip install`` and return whether it worked. ``quiet`` hides a failure that has a remedy."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, stdout=output, stderr=output).returncode == 0


if __name__ == "__main__":
    main()
