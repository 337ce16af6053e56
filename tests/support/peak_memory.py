"""Peak memory of one call, in a process of its own: the system tells one peak for all that a process did."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

_PROGRAM = """
import resource, sys
from pathlib import Path
photo = Path(sys.argv[1]).read_bytes()
{before}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{call}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) // 1024)
"""


def peak_mb(before: str, call: str, photo: bytes, folder: Path) -> int:
    """Return by how many MB a call raises the peak.

    Args:
        before: Python to run first; ``photo`` is there.
        call: Python to measure.
        photo: encoded.
        folder: for its file.
    """
    (folder / "photo").write_bytes(photo)
    command = [sys.executable, "-c", _PROGRAM.format(before=before, call=call), str(folder / "photo")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout)
