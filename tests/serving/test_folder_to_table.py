"""The whole road: a folder of photos, the real service, the results table."""

import io
import json
import sqlite3
from pathlib import Path
from typing import Any

from PIL import Image

from handler.contract import Contract
from tests.conftest import SHARED_DATA
from tests.serving.conftest import ServiceUnderTest
from tests.support.drawn_photos import SAMPLES, encoded, striped, write_awkward_folder


def run(service: ServiceUnderTest, inbox: Path, results: Path) -> dict[str, Any]:
    service.environment["RESULTS_DB"] = str(results)
    output = service.command("batch_client", "run", str(inbox), "--json", check=False)
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    assert report["found"] == report["classified"] + report["known"] + report["failed"] + report["left"]
    return report


def rows(results: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(results)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def write_photos(folder: Path, count: int) -> str:
    """Write real phone photos where they are at hand, drawn ones elsewhere, and say which."""
    folder.mkdir()
    wild = SHARED_DATA / "wild.parquet"
    if wild.is_file():
        import pyarrow.parquet as pq

        for record in next(pq.ParquetFile(wild).iter_batches(count)).to_pylist():
            image = Image.open(io.BytesIO(record["image"]))
            (folder / f"{record['id']}.jpg").write_bytes(encoded(image.convert("RGB"), quality=90))
        return "real"
    for index in range(count):
        (folder / f"{index:03}.jpg").write_bytes(encoded(striped((120, 160), seed=index)))
    return "drawn"


def test_two_hundred_photos(service: ServiceUnderTest, contract: Contract, tmp_path: Path) -> None:
    print(write_photos(tmp_path / "inbox", 200), "photos")
    results = tmp_path / "results.db"
    report = run(service, tmp_path / "inbox", results)
    assert (report["exit_code"], report["classified"]) == (0, 200)
    stored = rows(results, "SELECT filename, predicted_class, confidence, timestamp, model_version FROM predictions")
    assert {row[0] for row in stored} == {path.name for path in (tmp_path / "inbox").iterdir()}
    for _, predicted_class, confidence, timestamp, model_version in stored:
        assert predicted_class in contract.classes
        assert 1 / 27 <= confidence <= 1
        assert timestamp.endswith("Z")
        assert model_version == contract.model_version

    again = run(service, tmp_path / "inbox", results)
    assert (again["exit_code"], again["known"], again["classified"]) == (0, 200, 0)
    assert rows(results, "SELECT count(*) FROM predictions_history") == [(200,)]


def test_a_copy_is_found_by_what_the_service_says_it_looks_like(service: ServiceUnderTest, tmp_path: Path) -> None:
    inbox, results = tmp_path / "inbox", tmp_path / "results.db"
    inbox.mkdir()
    photo = SAMPLES / "jeans.jpg"
    (inbox / "a.jpg").write_bytes(photo.read_bytes())
    (inbox / "b.jpg").write_bytes((SAMPLES / "belt.jpg").read_bytes())
    with Image.open(photo) as picture:
        (inbox / "c.webp").write_bytes(encoded(picture.resize((picture.width // 2, picture.height // 2)), "WEBP"))
    run(service, inbox, results)
    first = rows(results, "SELECT photo_id FROM predictions WHERE filename = 'a.jpg'")[0][0]
    repeats = "SELECT filename, repeat_of, repeat_kind FROM predictions WHERE repeat_of IS NOT NULL"
    assert rows(results, repeats) == [("c.webp", first, "near")]
    assert rows(results, "SELECT count(*) FROM fingerprints") == [(3,)]


def test_stored_answer_is_the_services_answer(service: ServiceUnderTest, tmp_path: Path) -> None:
    photo = encoded(striped())
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.jpg").write_bytes(photo)
    run(service, tmp_path / "inbox", tmp_path / "results.db")
    answer = service.post(photo).json()
    stored = rows(
        tmp_path / "results.db", "SELECT predicted_class, confidence, decision, reason, top3 FROM predictions"
    )
    assert len(stored) == 1
    *fields, top3 = stored[0]
    assert fields == [answer["predicted_class"], answer["confidence"], answer["decision"], answer.get("reason")]
    assert json.loads(top3) == answer["top"]


def test_awkward_folder(service: ServiceUnderTest, tmp_path: Path) -> None:
    """Nothing is silently passed over: every file is classified or listed with its reason."""
    expected = write_awkward_folder(tmp_path / "inbox")
    results = tmp_path / "results.db"
    report = run(service, tmp_path / "inbox", results)
    assert report["found"] == len(expected)
    assert report["exit_code"] == 4
    assert {f["filename"]: f["code"] for f in report["failures"]} == {n: c for n, c in expected.items() if c}
    assert {row[0] for row in rows(results, "SELECT filename FROM predictions")} == {
        n for n, c in expected.items() if not c
    }
    assert all(failure["message"] for failure in report["failures"])
    again = run(service, tmp_path / "inbox", results)
    assert (again["exit_code"], again["known"]) == (0, len(expected))
    assert len(again["failures"]) == len(report["failures"])


def test_summary_for_people(service: ServiceUnderTest, tmp_path: Path) -> None:
    write_photos(tmp_path / "inbox", 3)
    (tmp_path / "inbox" / "notes.jpg").write_text("no photo")
    service.environment["RESULTS_DB"] = str(tmp_path / "results.db")
    output = service.command("batch_client", "run", str(tmp_path / "inbox"), check=False)
    assert "found 4 = classified 3 + known 0 + failed 1 + left 0" in output
    for words in (
        "category",
        "accept",
        "review",
        "notes.jpg",
        "unsupported_format",
        "photos per second",
        "exit code 4",
    ):
        assert words in output
