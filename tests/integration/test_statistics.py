"""Figures over many nights: what people said of what was accepted, and how certain the model is from week to week."""

import hashlib
from dataclasses import replace

import pytest
from sqlalchemy import update

from results import drift
from results.database import Database
from results.drift import Confidence, weeks_of
from results.photos import Classified, PhotoKey
from results.schema import runs
from results.statistics import Pair, cleared_accuracy, refused_pairs
from tests.support.stored_runs import answer, judge, night


def accepted(name: str, order: str | None, audit: bool = True, **more: object) -> Classified:
    key = PhotoKey("/inbox", name, hashlib.sha256(name.encode()).hexdigest(), name)
    stored = replace(answer(name, ""), photo=key, expected_category=order, audit=audit)
    return replace(stored, **more)  # type: ignore[arg-type]


def test_the_order_says_whether_an_accepted_photo_was_right(database: Database) -> None:
    night(
        database,
        accepted("group", "Socks|Belts"),  # the model says Socks, the person Belts: it is what was ordered
        accepted("other", "Socks"),
        accepted("none of ours", "Socks"),
        accepted("no order", None),
        accepted("blurred", "Socks"),
        accepted("not drawn", "Socks", audit=False),
        accepted("not accepted", "Heels|Flats", audit=False, decision="review", reason="mismatch"),
    )
    for name in ("group", "other", "no order", "not drawn", "not accepted"):
        judge(database, name, "ada", "category", "Belts")
    judge(database, "none of ours", "ada", "not_ours", None)
    judge(database, "blurred", "ada", "unusable", None)
    with database.reading() as connection:
        assert cleared_accuracy(connection) == (4, 3)
        assert refused_pairs(connection, 10) == [
            Pair("Socks", "Belts", 2, 2),
            Pair("Heels or Flats", "Belts", 1, 0),
            Pair("Socks", None, 1, 1),
        ]


def week(number: int, mean: float, photos: int = 1000, spread: float = 0.1) -> tuple[str, Confidence]:
    started_at = f"2026-{1 + number // 4:02}-{1 + number % 4 * 7:02}T02:00:00.000Z"
    return started_at, Confidence(photos, mean * photos, (mean**2 + spread**2) * photos)


class TestDrift:
    STEADY = (0.8, 0.81, 0.79, 0.8, 0.805, 0.795)

    def weeks(self, *newest: float, photos: int = 1000) -> list[drift.Week]:
        steady = [week(number, mean) for number, mean in enumerate(self.STEADY)]
        return weeks_of([*steady, *(week(len(steady) + n, mean, photos) for n, mean in enumerate(newest))])

    def test_a_week_like_those_before_raises_no_alarm(self) -> None:
        weeks = self.weeks(0.81)
        assert [each.low is None for each in weeks] == [True] * 4 + [False] * 3
        assert not any(each.is_outside for each in weeks)

    @pytest.mark.parametrize("mean", [0.7, 0.9])
    def test_a_week_outside_the_band_does(self, mean: float) -> None:
        *before, newest = self.weeks(mean)
        assert newest.is_outside
        assert newest.low is not None
        assert newest.high is not None
        assert newest.low < 0.8 < newest.high
        assert not any(each.is_outside for each in before)

    def test_few_photos_prove_nothing(self) -> None:
        assert not self.weeks(0.76, photos=60)[-1].is_outside
        assert self.weeks(0.76)[-1].is_outside
        assert self.weeks(0.1, photos=10)[-1].low is None

    def test_runs_of_one_week_count_together(self) -> None:
        moments = ("2026-11-23T01:00:00.000Z", "2026-11-29T23:00:00.000Z", "2026-11-30T02:00:00.000Z")
        weeks = weeks_of((moment, Confidence(10, 8.0, 6.5)) for moment in moments)
        assert [(each.monday, each.photos, each.mean) for each in weeks] == [
            ("2026-11-23", 20, 0.8),
            ("2026-11-30", 10, 0.8),
        ]

    def test_only_runs_of_the_newest_model_count(self, database: Database) -> None:
        old = night(database, accepted("old", None))
        new = night(database, accepted("new", None), accepted("newer", None, confidence=0.71))
        with database.writing() as connection:
            for run, version in ((old, "0.9.0"), (new, "1.0.0")):
                versions = {"model_version": version, "contract_version": "1"}
                connection.execute(update(runs).where(runs.c.id == run).values(**versions))
        with database.reading() as connection:
            assert [run["id"] for run in drift.runs_of_newest_model(connection)] == [new]
            found = drift.confidence_of_run(connection, new)
        assert found.photos == 2
        assert found.mean == pytest.approx(0.81)
        assert found.variance == pytest.approx(0.01)
