"""Photograph the review desk for the README, from the drawn samples.

Needs chromium, and the packages of requirements/dev.txt. Usage: python -m tools.desk_screenshot [FILE]
"""

import argparse
import hashlib
import io
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from batch_client.pipeline.pictures import MediaStore
from results import photos, runs
from results.database import Database
from results.photos import Classified, PhotoKey
from results.runs import Counts
from service_client.responses import Picture
from web.app import create_app
from web.settings import WebSettings

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
# File, the model's guesses, and what the manifest expects; made up, for drawings teach nothing about the model.
_WAITING = (
    ("handbag.jpg", (("Handbags", 0.64), ("Backpacks", 0.22), ("Wallets", 0.05)), "Wallets"),
    ("jeans.jpg", (("Jeans", 0.48), ("Shorts", 0.25), ("Trousers", 0.18)), None),
    ("heel.jpg", (("Heels", 0.55), ("Flats", 0.21), ("Sandals", 0.12)), None),
    ("tshirt.jpg", (("Tshirts", 0.71), ("Tops", 0.2), ("Shirts", 0.04)), None),
)
_WIDTH, _HEIGHT = 1280, 760
_LISTENS_WITHIN_S = 30.0


def main() -> None:
    """Read the command line and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "file", nargs="?", type=Path, default=Path("docs/desk.png"), help="where to write (docs/desk.png)"
    )
    file: Path = parser.parse_args().file
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is not installed; Debian: apt-get install chromium")
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        page.goto(f"{url}/review")
        page.wait_for_selector("#frame img")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=file)
        browser.close()
    print(f"{file}: {file.stat().st_size // 1000} kB")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a desk at which the samples wait, and give its address."""
    settings = WebSettings(results_db=str(folder / "results.db"), media_dir=folder / "media", web_dir=folder / "web")
    _store_samples(settings)
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    waited = threading.Event()
    for _ in range(int(_LISTENS_WITHIN_S * 20)):
        if server.started or not thread.is_alive():
            break
        waited.wait(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def _thumbnail(photo: bytes) -> bytes:
    """Return the thumbnail of a sample, which is a small upright JPEG."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(photo)) as image:
        image.thumbnail((256, 256))
        image.save(buffer, "JPEG")
    return buffer.getvalue()


def _store_samples(settings: WebSettings) -> None:
    database, media = Database(settings.results_db), MediaStore(settings.media_dir)
    with database.writing() as connection:
        run = runs.start_run(connection, "/returns/inbox")
        for number, (name, guesses, expected) in enumerate(_WAITING, 1):
            photo = (SAMPLES / name).read_bytes()
            key = PhotoKey("/returns/inbox", name, hashlib.sha256(photo).hexdigest(), f"R-{4710 + number}")
            media.write(key.sha256, Picture(_thumbnail(photo), None, 1), photo)
            top = [{"class": guess, "probability": probability} for guess, probability in guesses]
            first, confidence = guesses[0]
            outcome = Classified(
                key, len(photo), first, confidence, "review", "low_confidence", top, "1.0.0", "1", expected
            )
            photos.store(connection, run, outcome)
        # Without the service the desk offers the categories that wait, so one photo of each waits behind those shown.
        classes: list[str] = json.loads((ROOT / "model" / "contract.json").read_text(encoding="utf-8"))["classes"]
        for name in classes:
            key = PhotoKey("/returns/inbox", f"{name}.jpg", hashlib.sha256(name.encode()).hexdigest())
            top = [{"class": name, "probability": 0.9}]
            photos.store(connection, run, Classified(key, 1, name, 0.9, "review", "low_confidence", top, "1.0.0", "1"))
        counts = Counts(classified=len(_WAITING) + len(classes))
        runs.finish_run(connection, run, "finished", 0, counts, None)
    database.close()


if __name__ == "__main__":
    main()
