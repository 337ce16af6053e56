"""Latency of the desk's pages and verdicts with a million stored predictions, while a batch run writes."""

import argparse
import multiprocessing
import random
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import requests
import uvicorn
from sqlalchemy import Table, insert

from results import photos, runs
from results.database import Database
from results.fingerprints import MINIATURE_BYTES, Fingerprint, fingerprint_row
from results.photos import Classified, PhotoKey
from results.runs import Counts
from results.schema import fingerprints, predictions_history, review_queue
from results.schema import photos as photos_table
from web.app import create_app
from web.settings import WebSettings

_NIGHT = 20_000  # photos per run
_ROWS_AT_ONCE = 10_000
_GROUP = 64  # outcomes per transaction, as in the batch client
_PHOTOS_PER_SECOND = 200  # a rate that few processors reach
_LOOKS = 2_000
_CLASSES = tuple(f"Category {number:02}" for number in range(27))
_PAGE_BOUND_MS, _VERDICT_BOUND_MS = 100.0, 50.0


def main() -> None:
    """Fill a database, serve it, and print the duration of requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--verdicts", type=int, default=200)
    parser.add_argument(
        "--keep", type=Path, help="a file for the database, filled if it is not there; it is written to"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        location = str(chosen.keep or Path(folder) / "results.db")
        if not Path(location).exists():
            started = time.perf_counter()
            database = Database(location)
            fill(database, chosen.rows)
            database.close()
            print(f"{chosen.rows:,} predictions stored in {time.perf_counter() - started:.0f} s")
        settings = WebSettings(results_db=location, media_dir=Path(folder), web_dir=Path(folder) / "web")
        with served(settings) as url, batch_run(location):
            session = Session(url)
            _measure_pages(session)
            _measure_verdicts(session, chosen.verdicts)


def fill(database: Database, rows: int) -> None:
    """Store predictions in nights of 20,000, two or three photos a return; two in five photos wait."""
    draw = random.Random(1)
    for start in range(0, rows, _NIGHT):
        numbers = range(start, min(start + _NIGHT, rows))
        with database.writing() as connection:
            run = runs.start_run(connection, "/inbox")
            runs.set_versions(connection, run, "1.0.0", "1")
            drawn = [_drawn(draw, number, run) for number in numbers]
            for place, table in enumerate((photos_table, predictions_history, review_queue, fingerprints)):
                _insert(connection.execute, table, [entry[place] for entry in drawn if entry[place]])
            runs.finish_run(connection, run, "finished", 0, Counts(classified=len(numbers)), None)


def _insert(execute: Callable[..., object], table: Table, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        execute(insert(table), rows[start : start + _ROWS_AT_ONCE])


def _drawn(draw: random.Random, number: int, run: int) -> tuple[dict[str, Any], ...]:
    """Return a photo's record, prediction, place in the queue (two in five wait) and fingerprint."""
    confidence, name = round(draw.random(), 6), draw.choice(_CLASSES)
    decision = "review" if confidence < 0.4 else "accept"
    day = f"2026-{1 + run % 12:02}-{1 + run % 28:02}T02:00:00.000Z"
    versions = {"model_version": "1.0.0", "contract_version": "1"}
    photo = {"id": number + 1, "source": "/inbox", "filename": f"night {run}/{number}.jpg", "sha256": f"{number:064x}"}
    photo |= {"return_id": f"R-{number * 2 // 5}", "bytes": 1, "status": "classified", "created_at": day, **versions}
    answer = {"id": number + 1, "photo_id": number + 1, "run_id": run, "predicted_class": name, "timestamp": day}
    answer |= {"confidence": confidence, "decision": decision, "top3": _top3(name, confidence), **versions}
    answer["reason"] = "low_confidence" if decision == "review" else None
    waiting = {"photo_id": number + 1, "prediction_id": number + 1, "place": 2 + confidence, "predicted_class": name}
    # Two thousand hashes, each with up to three bits changed: every photo has hundreds of neighbours.
    dhash = random.Random(number % _LOOKS).getrandbits(64) ^ sum(1 << draw.randrange(64) for _ in range(3))
    look = fingerprint_row(f"{number:064x}", Fingerprint(dhash % (1 << 64), draw.randbytes(MINIATURE_BYTES)))
    return photo, answer, waiting if decision == "review" else {}, look


def _top3(name: str, confidence: float) -> str:
    return f'[{{"class":"{name}","probability":{confidence}}}]'


@contextmanager
def served(settings: WebSettings) -> Iterator[str]:
    """Serve the desk, and give its address."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def batch_run(location: str) -> Iterator[None]:
    """Store outcomes from another process, group by group, at the rate of a fast service."""
    context = multiprocessing.get_context("spawn")
    ended = context.Event()
    process = context.Process(target=_write, args=(location, ended))
    process.start()
    try:
        yield
    finally:
        ended.set()
        process.join()


def _write(location: str, ended: Event) -> None:
    database = Database(location)
    with database.writing() as connection:
        run = runs.start_run(connection, "/inbox")
    number, started = 0, time.perf_counter()
    while not ended.wait(_GROUP / _PHOTOS_PER_SECOND):
        with database.writing() as connection:
            photos.store(connection, run, *(_answered(number + each) for each in range(_GROUP)))
        number += _GROUP
    print(f"the batch run stored {number / (time.perf_counter() - started):.0f} photos a second meanwhile")
    database.close()


def _answered(number: int) -> Classified:
    key = PhotoKey("/inbox", f"new/{number}.jpg", f"f{number:063x}")
    top = [{"class": "Socks", "probability": 0.3}]
    looks = Fingerprint(random.getrandbits(64), random.randbytes(MINIATURE_BYTES))
    return Classified(key, 1, "Socks", 0.3, "review", "low_confidence", top, "1.0.0", "1", fingerprint=looks)


class Session(requests.Session):
    """A browser's cookies and token."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        page = self.get(f"{url}/review", headers={"Accept": "text/html"}, timeout=60)
        token = re.search(r'name="csrf" content="([^"]+)"', page.text)
        assert token is not None, page.text
        self.headers["X-CSRF-Token"] = token[1]

    def show(self, path: str) -> None:
        """Get a page."""
        self.get(self.url + path, timeout=60).raise_for_status()

    def change(self, path: str, body: dict[str, Any]) -> Any:
        """Post JSON and return the answer."""
        answer = self.request("POST", self.url + path, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()


def _measure_pages(session: Session) -> None:
    pages = [
        "/review",
        "/review/grid",
        "/runs",
        "/search",
        "/search?category=Category+07",
        "/search?filename=night+9/1",
    ]
    pages += [
        "/search?return_id=R-1234",
        "/search?day_to=2026-02-01",
        "/search?verdict=any",
        "/photos/5",
        "/search?similar_to=5",
        "/figures",
    ]
    for path in pages:
        print_times(path, [timed(partial(session.show, path)) for _ in range(20)])
    claim = {"desk": "benchmark-1", "count": 4}
    print_times("claim four photos", [timed(lambda: session.change("/desk/claim", claim)) for _ in range(20)])
    print(f"bound for a first page: {_PAGE_BOUND_MS:.0f} ms")


def _measure_verdicts(session: Session, count: int) -> None:
    took: list[float] = []
    while len(took) < count:
        for photo in session.change("/desk/claim", {"desk": "benchmark-1", "count": 20})["photos"]:
            body = {"prediction_id": photo["prediction_id"], "kind": "not_ours"}
            took.append(timed(lambda: session.change(f"/photos/{photo['id']}/verdict", body)))  # noqa: B023
    print_times("a verdict", took[:count])
    print(f"bound for a verdict: {_VERDICT_BOUND_MS:.0f} ms")


def timed(call: Callable[[], object]) -> float:
    """Return how long a call takes, in milliseconds."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def print_times(name: str, took: list[float]) -> None:
    """Print the least, the median and the 95th percentile."""
    ordered = sorted(took)
    p95 = ordered[int(len(ordered) * 0.95) - 1]
    print(f"{name:32} least {ordered[0]:6.1f} ms   p50 {statistics.median(ordered):6.1f} ms   p95 {p95:6.1f} ms")


if __name__ == "__main__":
    main()
