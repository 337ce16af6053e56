"""Whether several photos in one request are faster than one: ``python -m benchmarks.studies.photos_per_request``.

The same client, the same number of photos under way, the same service; the arrangements take turns within a round.
"""

import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated

import requests
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.photos import DESK, write_photos
from benchmarks.services import RunningService, our_service

_UNDER_WAY = 16  # photos, as many as the batch client has
_PER_REQUEST = (1, 2, 4, 8)
_KINDS = (replace(DESK, name="240x320", size=(240, 320)), DESK)
_PHOTOS = 32


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with parquet files; default: samples/.")] = None,
    archive: Annotated[Path, typer.Option(help="The model archive.")] = Path("model_store/refund_classifier.mar"),
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    seconds: Annotated[float, typer.Option(min=0.5, help="Of each measurement.")] = 4,
) -> None:
    """Print photos a second by photos per request, and their ratio to one per request within a round."""
    table = Table("photo", "photos per request", "photos/s, median", "beside one per request: median [least, greatest]")
    with tempfile.TemporaryDirectory(prefix="per-request-") as temporary:
        folder = Path(temporary)
        with our_service(archive, folder / "service") as service:
            for kind in _KINDS:
                photos = [path.read_bytes() for path in write_photos(folder / kind.name, kind, _PHOTOS, data)]
                _rate(service, photos, 1, 1.0)  # warm
                measured = [
                    {count: _rate(service, photos, count, seconds) for count in _PER_REQUEST} for _ in range(rounds)
                ]
                for count in _PER_REQUEST:
                    ratios = sorted(one[count] / one[1] for one in measured)
                    table.add_row(
                        kind.name,
                        str(count),
                        f"{median(one[count] for one in measured):.0f}",
                        f"{median(ratios):.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}]",
                    )
    Console().print(table)


def _rate(service: RunningService, photos: list[bytes], per_request: int, seconds: float) -> float:
    """Return the photos answered a second, ``per_request`` in each request."""
    assert service.token_file is not None
    headers = {"Authorization": f"Bearer {service.token_file.read_text(encoding='ascii').strip()}"}
    ends = time.monotonic() + seconds
    answered = 0
    counting = threading.Lock()

    def send(first: int) -> None:
        nonlocal answered
        source = islice(cycle(photos), first, None)
        with requests.Session() as session:
            session.trust_env = False
            while time.monotonic() < ends:
                batch = list(islice(source, per_request))
                if per_request == 1:
                    answer = session.post(service.url, batch[0], headers={**headers, "Content-Type": "image/jpeg"})
                else:
                    files = {f"photo{number}": photo for number, photo in enumerate(batch)}
                    answer = session.post(service.url, files=files, headers=headers)
                answer.raise_for_status()
                with counting:
                    answered += per_request

    began = time.monotonic()
    with ThreadPoolExecutor(_UNDER_WAY // per_request) as clients:
        list(clients.map(send, range(_UNDER_WAY // per_request)))
    return answered / (time.monotonic() - began)


if __name__ == "__main__":
    typer.run(main)
