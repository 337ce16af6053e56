"""Peak memory of the batch client over many photos: ``python -m benchmarks.client_memory PHOTOS [BYTES]``.

The service is a stub, because it plays no part in what the client keeps in memory. The photos are tiny, or as large as
``BYTES`` says: zeros behind the end of each photo are read and sent, but they take no disk. 100,000 photos of 3 MB
take 0.4 GB of disk.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
BOUND_MB = 150
_PHOTOS_A_FOLDER = 1000
_SIDE = 16  # pixels
# Settings of the nightly run that a measurement must not use: it must not notify anybody or move photos.
_NOT_INHERITED = (
    *("REPORT_DIR", "WEBHOOK_URL", "PING_URL", "PROCESSED"),
    *("BATCH_SHARD", "JOB_COMPLETION_INDEX", "BATCH_TIME_LIMIT_S", "AUDIT_SHARE"),
)
_BYTES_A_UNIT = 1 if sys.platform == "darwin" else 1024  # Source: getrusage(2), ru_maxrss


@dataclass(frozen=True)
class ClientRun:
    """One run of the batch client against the stub.

    Attributes:
        photos: number of classified photos.
        peak_mb: peak resident memory, megabytes.
        seconds: duration, including its start.
    """

    photos: int
    peak_mb: float
    seconds: float


def run_client(photos: int, folder: Path, size: int = 0) -> ClientRun:
    """Run the batch client over a number of different photos.

    Args:
        photos: their number.
        size: bytes that each photo has at least; zeros behind its end make up for the rest and take no disk.
        folder: an empty one for the photos and all that the client writes.

    Raises:
        RuntimeError: it did not classify all of them; the message holds what it printed.
    """
    inbox = folder / "inbox"
    _write_photos(inbox, photos, size)
    key, log = folder / "token", folder / "client.log"
    key.write_text("any", encoding="ascii")
    with _stub() as url, log.open("wb") as output:
        environment = {
            **os.environ,
            "TORCHSERVE_URL": url,
            "TORCHSERVE_TOKEN_FILE": str(key),
            **client_files(folder),
        }
        began = time.perf_counter()
        client = subprocess.Popen(
            [sys.executable, "-m", "batch_client", "run", str(inbox), "--json"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(client.pid, 0)
        seconds = time.perf_counter() - began
        client.returncode = os.waitstatus_to_exitcode(status)
    printed = log.read_text(encoding="utf-8")
    if client.returncode != 0 or json.loads(printed.splitlines()[-1])["classified"] != photos:
        raise RuntimeError(f"the batch client ended with {client.returncode}:\n{printed[-2000:]}")
    return ClientRun(photos, usage.ru_maxrss * _BYTES_A_UNIT / 1e6, seconds)


def client_files(folder: Path) -> dict[str, str]:
    """Return the environment variables that keep everything the batch client writes below one folder."""
    folders = {f"{name}_DIR": str(folder / name.lower()) for name in ("PROCESSED", "QUARANTINE", "MEDIA", "LOG")}
    unset = dict.fromkeys(_NOT_INHERITED, "")
    return {**unset, "RESULTS_DB": str(folder / "results.db"), **folders}


def _write_photos(inbox: Path, count: int, size: int) -> None:
    """Write tiny JPEGs of noise, each different from the others."""
    for number in range(count):
        folder = inbox / f"{number // _PHOTOS_A_FOLDER:04}"
        if number % _PHOTOS_A_FOLDER == 0:
            folder.mkdir(parents=True)
        noise = random.Random(number).randbytes(_SIDE * _SIDE * 3)
        path = folder / f"{number:07}.jpg"
        Image.frombytes("RGB", (_SIDE, _SIDE), noise).save(path)
        os.truncate(path, max(size, path.stat().st_size))


@contextmanager
def _stub() -> Iterator[str]:
    """Run the stub and yield its URL."""
    stub = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.stub_service"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert stub.stdout is not None
        yield f"http://127.0.0.1:{int(stub.stdout.readline())}"
    finally:
        stub.terminate()
        stub.communicate()


def main() -> None:
    """Read the command line, run, and print. In its own process, because the peak covers all its children."""
    photos = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory(prefix="client-memory-") as folder:
        run = run_client(photos, Path(folder), size)
    print(json.dumps({"photos": run.photos, "peak_mb": run.peak_mb, "seconds": run.seconds}))
    print(
        f"{run.photos} photos in {run.seconds:.0f} s, {run.photos / run.seconds:.0f} a second; "
        f"peak {run.peak_mb:.0f} MB, bound {BOUND_MB} MB",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
