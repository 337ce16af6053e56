"""``make demo``: an empty desk is filled with returns that show each case, apart from real results."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from results import media_layout, verify
from results.database import Database
from tools import demo


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    demo.fill(folder)
    return folder


@pytest.fixture
def filled(folder: Path) -> Iterator[Database]:
    database = Database(str(folder / "results.db"))
    yield database
    database.close()


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_each_case_is_there(filled: Database) -> None:
    states = rows(filled, "SELECT DISTINCT final_decision, reason, decided_by = 'model' FROM return_states")
    assert set(states) >= {
        ("cleared", None, 1),
        ("cleared", None, 0),
        ("open", "mismatch", None),
        ("open", "repeat", None),
        ("open", "unsure", None),
        ("open", "failed_photo", None),
        ("open", "unusable_photos", None),
        ("hold", "damaged", 0),
        ("hold", "not_what_was_ordered", 0),
    }
    kinds = rows(filled, "SELECT repeat_kind, count(*) FROM photos WHERE repeat_kind IS NOT NULL GROUP BY 1")
    assert dict(kinds) == {"exact": 1, "near": 1}
    assert rows(filled, "SELECT count(*) > 0 FROM predictions WHERE return_id IS NULL") == [(1,)]
    assert rows(filled, "SELECT count(*) > 0 FROM predictions_history WHERE audit") == [(1,)]


def test_its_nights_and_pictures_are_as_a_run_leaves_them(filled: Database, folder: Path) -> None:
    runs = rows(filled, "SELECT started_at, found FROM runs ORDER BY id")
    assert len({started[:10] for started, _ in runs}) == 3
    assert [found > 0 for _, found in runs] == [True] * 3
    with filled.reading() as connection:
        assert verify.verify(connection) == []
    for sha256, status in rows(filled, "SELECT sha256, status FROM photos"):
        for path in (media_layout.copy_path, media_layout.thumbnail_path):
            assert path(folder / "media", sha256).exists() == (status == "classified")


def test_it_keeps_away_from_real_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESULTS_DB", str(tmp_path / "real" / "results.db"))
    for folder, problem in (("real", "is RESULTS_DB"), (".", "holds no demo")):
        (tmp_path / "real").mkdir(exist_ok=True)
        monkeypatch.setattr("sys.argv", ["demo", folder])
        with pytest.raises(SystemExit, match=problem):
            demo.main()
    assert [path.name for path in tmp_path.rglob("*")] == ["real"]


def test_a_second_time_it_only_says_how_to_open_the_desk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "results.db").read_bytes()
    monkeypatch.setattr("sys.argv", ["demo", str(folder)])
    demo.main()
    said = capsys.readouterr().out
    assert "already" in said
    assert f"RESULTS_DB={folder / 'results.db'}" in said
    assert (folder / "results.db").read_bytes() == before
