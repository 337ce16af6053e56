"""Print how much of each room the tests cover, and fail where that is too little.

Reads what ``COVERAGE=1 make test`` measured: lines and branches, of the tests and of the programs that they start.

Usage: python -m tools.coverage_by_room
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path, PurePath
from typing import Any

LEAST_PERCENT = 90.0
# Training runs for hours on data that is not part of the repository; its tests are short runs on drawn photos.
NOT_HELD = {"training"}


def main() -> None:
    """Print a table of rooms; exit with 1 where a room that is held lies below ``LEAST_PERCENT``."""
    shares = by_room(_report()["files"])
    for room, percent in sorted(shares.items()):
        print(f"{room:<16}{percent:6.1f}%{'' if room not in NOT_HELD else '  (not held)'}")
    low = [room for room, percent in shares.items() if percent < LEAST_PERCENT and room not in NOT_HELD]
    if low:
        raise SystemExit(f"coverage below {LEAST_PERCENT:.0f}%: {', '.join(sorted(low))}")


def by_room(files: dict[str, Any]) -> dict[str, float]:
    """Return the covered share of lines and branches of each room, in percent.

    Args:
        files: the entry ``files`` of coverage's JSON report; its keys are paths relative to the project.
    """
    covered: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    for path, file in files.items():
        room, summary = PurePath(path).parts[0], file["summary"]
        covered[room] += summary["covered_lines"] + summary["covered_branches"]
        total[room] += summary["num_statements"] + summary["num_branches"]
    return {room: 100 * covered[room] / total[room] for room in total if total[room]}


def _report() -> dict[str, Any]:
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "combine", "--quiet", "--append"], check=False)  # fails where nothing is left to combine
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        here = ["--include", f"{Path.cwd()}/*"]  # archives that were unpacked to be verified are gone by then
        if subprocess.run([*coverage, "json", "--quiet", *here, "-o", str(path)]).returncode != 0:
            raise SystemExit("no coverage was measured; run `COVERAGE=1 make test` first")
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


if __name__ == "__main__":
    main()
