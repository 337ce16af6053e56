"""What people decided, as labels to train on."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from results import derived, reviews
from results.database import Database
from results.photos import Classified
from results.return_lists import decide_return, undo_decision
from tests.support.stored_runs import answer, judge, night
from web.training_export import export_training


def ordered(number: int, return_id: str, order: str = "Socks", verdict: str = "match") -> Classified:
    stored = answer(f"{number}.jpg", f"{number:02x}", return_id)
    reason = {"match": None, "unsure": "unsure_match"}[verdict]
    return replace(
        stored,
        decision="review" if reason else "accept",
        reason=reason,
        match_probability=0.5,
        match_verdict=verdict,
        expected_category=order,
    )


def labels(database: Database, folder: Path) -> dict[str, tuple[str, str, str]]:
    """Return label, verdict and person by the number of the photo."""
    media = folder / "media"
    for number in range(1, 10):
        sha256 = f"{number:02x}" * 32
        (media / sha256[:2]).mkdir(parents=True, exist_ok=True)
        (media / sha256[:2] / f"{sha256}.jpg").write_bytes(b"a picture")
    exported = export_training(database, media, folder / "out")
    with (folder / "out" / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert exported.written == len(rows) == len(list((folder / "out").glob("*/*.jpg")))
    return {row["sha256"][1]: (row["label"], row["verdict"], row["reviewer"]) for row in rows}


def test_a_cleared_return_confirms_what_was_ordered(database: Database, tmp_path: Path) -> None:
    night(
        database,
        ordered(1, "cleared"),
        ordered(2, "cleared", verdict="unsure"),  # it may show anything
        ordered(3, "cleared"),
        ordered(4, "several", order="Socks|Belts"),  # it may be either
        ordered(5, "held"),
        ordered(6, "model"),
        ordered(7, "undone"),
    )
    judge(database, "3.jpg", "ada", "category", "Belts")
    with database.writing() as connection:
        for name in ("several", "undone"):
            decide_return(connection, f"r:{name}", "cleared", "lena")
        decide_return(connection, "r:held", "hold", "lena", "damaged")
        undo_decision(connection, "r:undone", "lena")
        decide_return(connection, "r:cleared", "cleared", "lena")
    assert labels(database, tmp_path) == {
        "1": ("Socks", "cleared", "lena"),
        "3": ("Belts", "corrected", "ada"),
    }


@pytest.mark.parametrize("kind", ["category", "unusable"])
def test_an_undone_verdict_labels_nothing(database: Database, tmp_path: Path, kind: reviews.Kind) -> None:
    night(database, ordered(1, "cleared"), answer("2.jpg", "02"))
    for name in ("1.jpg", "2.jpg"):
        number = judge(database, name, "ada", kind, "Belts" if kind == "category" else None)
        with database.writing() as connection:
            derived.refresh(connection, [reviews.undo(connection, "ada", number, may_undo_others=False)])
    with database.writing() as connection:
        decide_return(connection, "r:cleared", "cleared", "lena")
    assert labels(database, tmp_path) == {"1": ("Socks", "cleared", "lena")}
