"""List the modules that one photo passes: ``python -m tools.photo_path``.

It runs the batch client against a stub of the service, once over a few photos that need a review and once over more,
and counts the calls of functions in each module of batch client, service client and results. A module is on the way of
a photo if each further photo calls a function of it at least once more.
"""

import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from batch_client.console import open_results
from batch_client.pipeline.lifecycle import run_once
from batch_client.pipeline.options import Resend
from batch_client.settings import BatchSettings
from tests.support.drawn_photos import encoded, mosaic
from tests.support.stub_service import prediction, stub_service

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("batch_client", "service_client", "results")
_FEW, _MORE = 3, 12


def main() -> None:
    """Print the modules, one a line, and how many there are."""
    few, more = _calls(_FEW), _calls(_MORE)
    modules = sorted(module for module in more if more[module] - few[module] >= _MORE - _FEW)
    print("\n".join([*modules, f"{len(modules)} modules"]))


def _calls(photos: int) -> Counter[str]:
    """Run over so many photos and count the calls of functions in each module."""
    calls: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _argument: Any) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(ROOT)):
            module = Path(path).relative_to(ROOT).as_posix()
            if module.startswith(ROOMS) and "/migrations/" not in module:
                calls[module] += 1

    with tempfile.TemporaryDirectory(prefix="photo-path-") as name, stub_service() as stub:
        folder = Path(name)
        answer = {**prediction()[1], "decision": "review", "reason": "low_confidence"}
        stub.answer = lambda _body, _attempt: (200, answer)
        (folder / "inbox").mkdir()
        for number in range(photos):
            photo = folder / "inbox" / f"{number}.jpg"
            photo.write_bytes(encoded(mosaic((400, 300), number)))
            os.utime(photo, (1, 1))  # nobody is writing it
        settings = BatchSettings(
            inbox=str(folder / "inbox"),
            results_db=str(folder / "results.db"),
            torchserve_url=stub.url,
            torchserve_token_file=_token(folder),
            media_dir=folder / "media",
            processed="keep",
            processed_dir=folder / "processed",
            quarantine_dir=folder / "quarantine",
            log_dir=folder / "logs",
            report_dir=None,
        )
        with open_results(settings, creates=True) as database:
            threading.setprofile(profile)
            sys.setprofile(profile)
            try:
                summary, _ = run_once(settings, database, settings.inbox, "", Resend.NONE, Console(quiet=True))
            finally:
                sys.setprofile(None)
                threading.setprofile(None)
    if summary.counts.classified != photos:
        raise RuntimeError(f"{photos} photos, {summary.counts}")
    return calls


def _token(folder: Path) -> Path:
    path = folder / "token"
    path.write_text("right", encoding="ascii")
    return path


if __name__ == "__main__":
    main()
