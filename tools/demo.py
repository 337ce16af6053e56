"""Fill an empty desk with drawn returns that show each case: match, mismatch, repeat, unsure, failed, held.

The demo lies in a folder of its own, with its own results, pictures and accounts. Needs no TorchServe.
Usage: python -m tools.demo [FOLDER]
"""

import argparse
import hashlib
import io
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Literal, cast

from PIL import Image, ImageOps
from sqlalchemy import ColumnElement, Connection, Table, select, update

from results import derived, media_layout, photos, returns, runs
from results.database import Database
from results.fingerprints import MINIATURE_BYTES, Fingerprint
from results.photos import Classified, Failed, PhotoKey
from results.return_lists import decide_return
from results.reviews import Kind, Verdict, store_verdict
from results.runs import Counts
from results.schema import photos as photos_table
from results.schema import predictions_history, return_decisions, reviews
from results.schema import runs as runs_table
from results.sql import to_text
from tools.demo_returns import GUESSES, RETURNS, DemoPhoto, DemoReturn

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
_SOURCE = "/demo/returns"
_VERSIONS = ("demo", "demo")
_THUMBNAIL = 256  # pixels of the longer side, as the service makes it


def main() -> None:
    """Fill the folder, and say how to open the desk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("data/demo"), help="new folder (data/demo)")
    folder: Path = parser.parse_args().folder
    results = folder / "results.db"
    if results.resolve() == Path(os.environ.get("RESULTS_DB") or "data/results.db").resolve():
        raise SystemExit(f"{results} is RESULTS_DB. The demo must not touch real results: choose another folder")
    if results.exists():
        print(f"{folder} holds the demo already; delete the folder to fill it anew")
    elif folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty and holds no demo: choose another folder")
    else:
        fill(folder)
        print(f"{len(RETURNS)} returns are in {folder}")
    where = f"RESULTS_DB={results} MEDIA_DIR={folder / 'media'} WEB_DIR={folder / 'web'}"
    print(f"open the desk with:\n  make web WEB_PORT=8001 {where}\nthen go to http://127.0.0.1:8001")


def fill(folder: Path) -> None:
    """Store the returns in a new folder; it appears when all of them are there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".demo-") as temporary:
        filled = Path(temporary) / "filled"
        database = Database(str(filled / "results.db"))
        try:
            for nights_ago in (2, 1, 0):
                night = [each for each in RETURNS if each.nights_ago == nights_ago]
                _store_night(database, filled / "media", night, nights_ago)
                _store_decisions(database, night, nights_ago)
        finally:
            database.close()
        if folder.exists():
            folder.rmdir()
        shutil.move(filled, folder)


def _store_night(database: Database, media: Path, night: list[DemoReturn], nights_ago: int) -> None:
    outcomes = [_outcome(each, photo, media) for each in night for photo in each.photos]
    failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
    with database.writing() as connection:
        run = runs.start_run(connection, _SOURCE)
        runs.set_versions(connection, run, *_VERSIONS)
        photos.store(connection, run, *outcomes)
        counts = Counts(classified=len(outcomes) - failed, failed=failed)
        runs.finish_run(connection, run, "finished", 4 if failed else 0, counts, None)
        _put_back(connection, run, [outcome.photo.filename for outcome in outcomes], nights_ago)


def _put_back(connection: Connection, run: int, filenames: list[str], nights_ago: int) -> None:
    """Date a run and its photos at two o'clock of an earlier night."""
    night = _night(nights_ago)
    begun, ended = to_text(night), to_text(night + timedelta(seconds=len(filenames)))
    ids = list(connection.execute(select(photos_table.c.id).where(photos_table.c.filename.in_(filenames))).scalars())
    _date(connection, runs_table, runs_table.c.id == run, started_at=begun, finished_at=ended)
    _date(connection, photos_table, photos_table.c.id.in_(ids), created_at=ended)
    _date(connection, predictions_history, predictions_history.c.run_id == run, timestamp=ended)
    returns.refresh(connection, ids)


def _night(nights_ago: int) -> datetime:
    """Return two o'clock of an earlier night, UTC; no night lies in the future."""
    now = datetime.now(UTC)
    newest = now.replace(hour=2, minute=0, second=0, microsecond=0)
    return newest - timedelta(days=nights_ago + (newest > now))


def _store_decisions(database: Database, night: list[DemoReturn], nights_ago: int) -> None:
    """Store what people decided in the morning after the night, some seconds apart."""
    moment = _night(nights_ago) + timedelta(hours=6)
    with database.writing() as connection:
        for each in night:
            moment += timedelta(seconds=8 + len(each.note or "") / 2)
            for number, photo in enumerate(each.photos):
                if photo.verdict:
                    _store_verdict(connection, each, photo, _filename(each, photo, number), to_text(moment))
            if each.decision:
                key, decision = f"r:{each.return_id}", cast(Literal["cleared", "hold"], each.decision)
                decide_return(connection, key, decision, each.person, each.reason, each.note)
                _date(connection, return_decisions, return_decisions.c.return_key == key, decided_at=to_text(moment))
                returns.refresh_keys(connection, [key])


def _store_verdict(connection: Connection, each: DemoReturn, photo: DemoPhoto, filename: str, moment: str) -> None:
    of = predictions_history.c
    found = select(of.photo_id, of.id).join(photos_table, photos_table.c.id == of.photo_id)
    photo_id, prediction_id = connection.execute(found.where(photos_table.c.filename == filename)).one()
    is_category = photo.verdict not in ("not_ours", "unusable")
    kind = cast(Kind, "category" if is_category else photo.verdict)
    verdict = Verdict(photo_id, prediction_id, kind, photo.verdict if is_category else None)
    _date(connection, reviews, reviews.c.id == store_verdict(connection, each.person, verdict), created_at=moment)
    derived.refresh(connection, [photo_id])


def _date(connection: Connection, table: Table, condition: ColumnElement[bool], **values: str) -> None:
    connection.execute(update(table).where(condition).values(**values))


def _outcome(each: DemoReturn, photo: DemoPhoto, media: Path) -> Classified | Failed:
    content = _draw(photo)
    name = _filename(each, photo, each.photos.index(photo))
    key = PhotoKey(_SOURCE, name, hashlib.sha256(content).hexdigest(), each.return_id)
    expected = each.ordered or None
    if photo.broken:
        message = "the photo ends before its last row"
        return Failed(key, len(content), "truncated_image", message, True, expected)
    _keep_pictures(media, key.sha256, content)
    rest = 1 - photo.confidence
    shares = (photo.confidence, rest * 0.6, rest * 0.3)
    top = [
        {"class": name, "probability": round(share, 4)}
        for name, share in zip(GUESSES[photo.drawing], shares, strict=True)
    ]
    matches = {"match": photo.confidence, "unsure": photo.confidence, "mismatch": round(rest * 0.2, 4)}
    accepted = photo.match == "match" or (not photo.match and photo.confidence > 0.9)
    reasons = {"mismatch": "mismatch", "unsure": "unsure_match", "": "low_confidence"}
    return Classified(
        key,
        len(content),
        GUESSES[photo.drawing][0],
        photo.confidence,
        "accept" if accepted else "review",
        None if accepted else reasons[photo.match],
        top,
        *_VERSIONS,
        expected_category=expected,
        audit=photo.spot_check,
        fingerprint=_fingerprint(photo),
        match_probability=matches.get(photo.match),
        match_verdict=photo.match or None,
    )


def _filename(each: DemoReturn, photo: DemoPhoto, number: int) -> str:
    return f"{each.return_id or 'desk'}/{photo.drawing}-{photo.variant}-{number + 1}.jpg"


def _draw(photo: DemoPhoto) -> bytes:
    """Return the file of a photo: a drawing, turned, mirrored and on a ground of its own."""
    variant = photo.variant if photo.looks_like is None else photo.looks_like
    drawn = Random(f"{photo.drawing} {variant}")
    with Image.open(SAMPLES / f"{photo.drawing}.jpg") as sample:
        picture = ImageOps.mirror(sample) if drawn.random() < 0.5 else sample.copy()
    ground = tuple(drawn.randint(190, 245) for _ in range(3))
    turned = picture.rotate(drawn.uniform(-12, 12), Image.Resampling.BICUBIC, fillcolor=ground)
    buffer = io.BytesIO()
    turned.save(buffer, "JPEG", quality=88 if photo.looks_like is None else 60)
    content = buffer.getvalue()
    return content[: len(content) // 2] if photo.broken else content


def _keep_pictures(media: Path, sha256: str, content: bytes) -> None:
    folder = media_layout.folder_of(media, sha256)
    folder.mkdir(parents=True, exist_ok=True)
    media_layout.copy_path(media, sha256).write_bytes(content)
    with Image.open(io.BytesIO(content)) as picture:
        picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
        picture.save(media_layout.thumbnail_path(media, sha256), "JPEG", quality=85)


def _fingerprint(photo: DemoPhoto) -> Fingerprint:
    """Return a fingerprint that only a photo that looks alike has."""
    variant = photo.variant if photo.looks_like is None else photo.looks_like
    drawn = Random(f"fingerprint {photo.drawing} {variant}")
    return Fingerprint(drawn.getrandbits(64), drawn.randbytes(MINIATURE_BYTES))


if __name__ == "__main__":
    main()
