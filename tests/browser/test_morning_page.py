"""The first page of the desk: each number, and the list behind it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from results import planned_runs, runs, schema
from results.database import Database
from tests.support.report_rows import answer, failure, store
from tests.support.running_desk import RunningDesk

MISMATCH = {"expected_category": "Heels", "match_verdict": "mismatch", "match_probability": 0.001}


def a_night(database: Database) -> int:
    """Store a night with a bit of everything, which began two hours ago."""
    run = store(
        database,
        answer("a.jpg", "aa", return_id="R-1", audit=True),
        answer("b.jpg", "bb", "review", return_id="R-2", **MISMATCH),
        answer("c.jpg", "aa", return_id="R-3"),
        answer("d.jpg", "dd", "review", return_id="R-4"),
        failure("bad.jpg", "ff"),
        left=2,
    )
    began = (datetime.now(UTC) - timedelta(hours=2)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with database.writing() as connection:
        runs.store_notes(connection, run, [("manifest", "line 3 names no photo")])
        connection.execute(update(schema.runs).where(schema.runs.c.id == run).values(started_at=began))
    return run


def figures(page: str) -> dict[str, tuple[int, str]]:
    """Return number and address by what they count."""
    found = re.findall(r'<a href="([^"]+)"><b>(\d+)</b> ([^<]+)</a>', page)
    return {label: (int(number), link.replace("&amp;", "&")) for link, number, label in found}


def test_each_number_has_the_list_behind_it(desk: RunningDesk) -> None:
    database = desk.database
    run = a_night(database)
    database.close()
    session = desk.session()
    page = session.page("/")
    assert page.status_code == 200
    shown = figures(page.text)
    assert {label: number for label, (number, _) in shown.items()} == {
        "returns wait": 4,
        "spot check due": 1,
        "return cleared": 1,
        "on hold": 0,
        "wait for a person": 4,
        "photos came in": 7,
        "not what was ordered": 1,
        "repeat": 1,
        "failed": 1,
        "left to the next run": 2,
        "problem of the manifest": 1,
    }
    counted = {"returns wait": r"<tr>\s*<td", "return cleared": r"<tr>\s*<td", "wait for a person": r"<tr>\s*<td"}
    counted |= {"spot check due": 'class="card"', "not what was ordered": 'class="card"', "repeat": 'class="card"'}
    for label, (number, link) in shown.items():
        listed = session.page(link)
        assert listed.status_code == 200, link
        if label in counted:
            assert len(re.findall(counted[label], listed.text)) == number, label
        if "#" in link:
            assert f'id="{link.partition("#")[2]}"' in listed.text, link
    assert "missed" not in page.text
    assert f'<a href="/runs/{run}">{run}</a>' in page.text


def test_a_missed_night_is_told(desk: RunningDesk) -> None:
    database = desk.database
    a_night(database)
    with database.writing() as connection:
        planned_runs.note_due(connection, "/srv/<b>", "", datetime.now(UTC) - timedelta(minutes=90))
    database.close()
    page = desk.session().page("/").text
    assert "Was a night missed?" in page
    assert "<bdi>/srv/&lt;b&gt;</bdi>" in page


def test_runs_of_one_night_are_one_summary(desk: RunningDesk) -> None:
    database = desk.database
    a_night(database)
    with database.writing() as connection:
        runs.finish_run(connection, runs.start_run(connection, "/elsewhere"), "stopped", 3, runs.Counts(left=5), "away")
    database.close()
    page = desk.session().page("/").text
    shown = figures(page)
    assert (shown["left to the next run"], shown["photos came in"]) == ((7, "#runs"), (12, "#runs"))
    assert shown["return cleared"] == (1, "/returns?state=cleared&run=2&run=1")
    assert "ended early: away" in page


def test_before_the_first_run_it_says_so(desk: RunningDesk) -> None:
    assert "No run yet" in desk.session().page("/").text


def test_returns_of_a_run_go_on_and_go_out_as_csv(desk: RunningDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.routes.returns_pages._PAGE", 2)
    database = desk.database
    store(database, answer("before.jpg", "0b", "review", return_id="R-0"))
    run = a_night(database)
    database.close()
    session = desk.session()
    first = session.page(f"/returns?state=open&run={run}&run=999")
    assert f"of runs {run}, 999" in first.text
    (following,) = re.findall(r'href="(/returns\?[^"]+)">Next page', first.text)
    second = session.page(following.replace("&amp;", "&"))
    names = [re.findall(r"<bdi>(R-\d|photo \d+)</bdi></a>", page.text) for page in (first, second)]
    assert sorted(names[0] + names[1]) == ["R-2", "R-3", "R-4", "photo 6"]
    assert len(session.page(f"/returns.csv?state=open&run={run}").text.splitlines()) == 5
    assert session.page("/returns?run=0").status_code == 422


def test_it_needs_a_session_and_programs_get_the_health(start_desk: Callable[..., RunningDesk]) -> None:
    desk = start_desk()
    desk.add_account("vera", "viewer")
    visitor = desk.session()
    assert visitor.page("/").headers["Location"] == "/login?next=/"
    vera = desk.session("vera")
    assert vera.page("/").status_code == 200
    health = visitor.get(desk.url, timeout=30)
    assert health.json()["service"] == "ready"
    assert "Start to decide" not in vera.page("/").text


def test_health_tells_a_service_that_died_at_once(desk: RunningDesk) -> None:
    session = desk.session()
    assert session.get(desk.url, timeout=30).json()["service"] == "ready"
    desk.stub.describes = lambda: (503, {"code": 503, "type": "ServiceUnavailableException", "message": "away"})
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while session.get(desk.url, timeout=30).json()["service"] == "ready":
        assert datetime.now(UTC) < deadline, "a minute-old answer is told as the present one"
