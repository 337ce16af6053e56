"""What the desk's own pages ask for: claims, verdicts, undo, pictures, lists; in both kinds of database."""

import csv
import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from results import runs
from results.fingerprints import Fingerprint
from tests.browser.requests_of_the_desk import TAB, claim, verdict
from tests.support.postgresql import PostgreSQL
from tests.support.running_desk import RunningDesk, Session
from tests.support.seeded_results import Drawn, fill, unsure

OTHER_TAB = "tab-00000002"


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, start_desk: Callable[..., RunningDesk]) -> RunningDesk:
    """A desk without accounts, once on each kind of database."""
    if request.param == "sqlite":
        return start_desk()
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return start_desk(results_db=server.migrated_database())


def test_a_photo_comes_with_everything_that_a_person_needs(desk: RunningDesk) -> None:
    desk.add_night(8)
    session = desk.session()
    answer = claim(session)
    first = answer["photos"][0]
    assert (first["mismatch"], first["expected_category"], first["predicted_class"]) == (True, "Watches", "Handbags")
    assert [entry["class"] for entry in first["top"]] == ["Handbags", "Backpacks", "Wallets"]
    assert (first["picture"], first["return_id"], answer["waiting"]) == (True, "R-4004", 8)
    for size, longest in (("picture", 1280), ("thumbnail", 256)):
        sent = session.page(f"/photos/{first['id']}/{size}")
        assert (sent.status_code, sent.headers["Content-Type"]) == (200, "image/jpeg")
        assert sent.headers["Cache-Control"] == "private, no-cache"
        again = session.get(sent.url, headers={"If-None-Match": sent.headers["ETag"]}, timeout=30)
        assert (again.status_code, again.content) == (304, b"")
        assert len(sent.content) < longest * longest


def test_two_tabs_share_the_work_and_the_second_verdict_is_refused(desk: RunningDesk) -> None:
    desk.add_night(4)
    session = desk.session()
    mine, theirs = claim(session, 3), claim(session, 3, OTHER_TAB)
    assert len(theirs["photos"]) == 1
    assert not {p["id"] for p in mine["photos"]} & {p["id"] for p in theirs["photos"]}
    photo = mine["photos"][0]
    assert verdict(session, photo).json()["waiting"] == 3
    refused = verdict(session, photo, category="Belts")
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["code"] == "already_reviewed"
    assert f"local was faster and decided: {photo['predicted_class']}" in error["message"]
    assert "not stored" in error["message"]
    assert error["standing"]["to_class"] == photo["predicted_class"]
    assert desk.rows("SELECT count(*) FROM reviews") == [(1,)]
    held = [p["id"] for p in mine["photos"]]
    assert claim(session, 0, held=held)["lost"] == [photo["id"]]


def test_whoever_asks_at_the_same_moment_gets_other_photos(desk: RunningDesk) -> None:
    desk.add_night(24)
    sessions = [desk.session() for _ in range(8)]
    with ThreadPoolExecutor(len(sessions)) as pool:
        asked = [pool.submit(claim, session, 3, f"tab-{n:08}") for n, session in enumerate(sessions)]
        given = [photo["id"] for answer in asked for photo in answer.result()["photos"]]
    assert sorted(given) == [number for (number,) in desk.rows("SELECT photo_id FROM review_queue ORDER BY 1")]


def test_of_verdicts_at_the_same_moment_one_stands_and_the_rest_are_refused(desk: RunningDesk) -> None:
    desk.add_night(1)
    session = desk.session()
    (photo,) = claim(session)["photos"]
    others = [desk.session() for _ in range(6)]
    with ThreadPoolExecutor(len(others)) as pool:
        answers = list(pool.map(lambda other: verdict(other, photo, category="Belts"), others))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    review = next(answer.json()["review_id"] for answer in answers if answer.status_code == 200)
    with ThreadPoolExecutor(len(others)) as pool:
        undone = list(pool.map(lambda other: other.change(f"/verdicts/{review}/undo", {}).status_code, others))
    assert sorted(undone) == [200, 409, 409, 409, 409, 409]
    assert desk.rows("SELECT verdict FROM reviews ORDER BY id") == [("corrected",), ("undone",)]


def test_every_verdict_keeps_who_when_from_what_to_what(desk: RunningDesk) -> None:
    desk.add_night(4)
    session = desk.session()
    photos = claim(session, 4)["photos"]
    for photo, more in zip(
        photos, ({}, {"category": "Wallets"}, {"kind": "not_ours"}, {"kind": "unusable"}), strict=True
    ):
        category = {"category": None} if "kind" in more else {}
        assert verdict(session, photo, **more, **category).status_code == 200
    stored = desk.rows("SELECT reviewer, verdict, from_class, to_class FROM reviews ORDER BY id")
    said = [
        ("confirmed", photos[0]["predicted_class"]),
        ("corrected", "Wallets"),
        ("not_ours", None),
        ("unusable", None),
    ]
    assert stored == [
        ("local", kind, photo["predicted_class"], to) for photo, (kind, to) in zip(photos, said, strict=True)
    ]
    assert claim(session)["photos"] == []


def test_undo_brings_a_photo_back(desk: RunningDesk) -> None:
    desk.add_night(1)
    session = desk.session()
    (photo,) = claim(session)["photos"]
    review = verdict(session, photo).json()["review_id"]
    assert session.change(f"/verdicts/{review}/undo", {}).json() == {"photo_id": photo["id"], "waiting": 1}
    assert session.change(f"/verdicts/{review}/undo", {}).json()["error"]["code"] == "cannot_undo"
    assert session.change("/verdicts/999/undo", {}).json()["error"]["code"] == "no_such_verdict"
    assert [p["id"] for p in claim(session)["photos"]] == [photo["id"]]


def test_a_grid_is_accepted_at_once_but_for_what_was_decided_meanwhile(desk: RunningDesk) -> None:
    desk.add_night(30)
    session = desk.session()
    photos = claim(session, 24, category="Socks")["photos"]
    assert {photo["predicted_class"] for photo in photos} == {"Socks"}
    assert len(photos) > 1
    verdict(desk.session(), photos[0], category="Belts")
    body = {"photos": [{"photo_id": p["id"], "prediction_id": p["prediction_id"]} for p in photos]}
    answer = session.change("/desk/accept", body).json()
    assert [entry["photo_id"] for entry in answer["stored"]] == [p["id"] for p in photos[1:]]
    assert [entry["photo_id"] for entry in answer["refused"]] == [photos[0]["id"]]
    assert "Belts" in answer["refused"][0]["message"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"category": "Spaceships"}, "unknown_category"),
        ({"category": None}, "invalid_request"),
        ({"kind": "not_ours"}, "invalid_request"),
        ({"prediction_id": 10**9}, "no_such_photo"),
        ({"kind": "undone"}, "invalid_request"),
    ],
)
def test_a_verdict_that_means_nothing_is_refused(desk: RunningDesk, more: dict[str, Any], code: str) -> None:
    desk.add_night(1)
    session = desk.session()
    (photo,) = claim(session)["photos"]
    assert verdict(session, photo, **more).json()["error"]["code"] == code
    assert desk.rows("SELECT count(*) FROM reviews") == [(0,)]


def test_without_the_model_the_desk_still_works(desk: RunningDesk) -> None:
    desk.add_night(3)
    desk.stub.token = "another"
    session = desk.session()
    first, second = claim(session)["photos"][:2]
    assert verdict(session, first).status_code == 200
    assert verdict(session, second, category=second["top"][2]["class"]).status_code == 200  # of which none waits


def test_every_page_answers(desk: RunningDesk) -> None:
    empty = ["/review", "/review/grid", "/upload", "/runs", "/figures", "/what-if", "/search", "/docs"]
    session = desk.session()
    assert {path: session.page(path).status_code for path in empty} == dict.fromkeys(empty, 200)
    run = desk.add_night(14)
    verdict(session, claim(session)["photos"][0], category="Belts")
    full = [*empty, f"/runs/{run}", "/photos/1", "/review?kind=mismatch", "/review/grid?category=Socks"]
    full += [
        "/search?category=Socks",
        "/search?verdict=corrected",
        "/search?filename=2026",
        "/search?day_from=2026-01-01",
    ]
    assert {path: session.page(path).status_code for path in full} == dict.fromkeys(full, 200)
    missing = ["/runs/99", "/photos/99", "/photos/99/picture", "/nowhere"]
    assert {path: session.page(path).status_code for path in missing} == dict.fromkeys(missing, 404)
    for path in ("/search?run=9223372036854775808", "/search?similar_to=x", "/search?similar_to=-9223372036854775809",
                 "/search?filename=a%00b", "/search?after=[18446744073709551616]", "/search?after=[%22a%22]",
                 "/search?filename=a&after=[1,2]", "/review/grid?category=%00"):  # fmt: skip
        assert session.page(path).status_code == 422, path
    assert session.page("/search?day_to=9999-12-31").status_code == 200
    for body in ({"desk": TAB, "count": 1, "category": "\0"}, {"desk": TAB, "count": 1, "held": [2**63]}):
        assert session.change("/desk/claim", body).status_code == 422
    for path in ("/search?day_from=yesterday", "/search?after=[1]]", "/search?after=%22a%22", "/search?decision=maybe"):
        assert session.page(path).status_code == 422, path


def test_similar_photos_are_shown_and_searched(desk: RunningDesk) -> None:
    own = 0b1111
    hashes = (own, own ^ 1, own ^ 0b111_1111 << 40, own ^ (2**64 - 1))
    drawn = [Drawn(name, number) for number, name in enumerate(("belt", "dress", "heel", "jeans"))]
    looks = [Fingerprint(dhash, bytes(range(192))) for dhash in hashes]
    night = [(each, unsure(each, 0.5, fingerprint=look)) for each, look in zip(drawn, looks, strict=True)]
    database = desk.database
    fill(database, desk.settings.media_dir, night)
    database.close()
    numbers = [number for (number,) in desk.rows("SELECT id FROM photos ORDER BY filename")]
    session = desk.session()
    listed = csv.DictReader(
        io.StringIO(session.page(f"/search.csv?similar_to={numbers[0]}").content.decode("utf-8-sig"))
    )
    assert [int(row["photo_id"]) for row in listed] == numbers[1:3]
    same, similar = session.page(f"/photos/{numbers[0]}").text.split("<h2>Similar photos</h2>")
    assert f'href="/photos/{numbers[1]}"' in same.split("<h2>Looks the same</h2>")[1]
    assert [number for number in numbers if f'href="/photos/{number}"' in similar] == [numbers[2]]
    assert f'href="/search?similar_to={numbers[0]}"' in similar
    found = session.page(f"/search?similar_to={numbers[0]}&sha256={hashlib.sha256(drawn[2].encoded()).hexdigest()[:9]}")
    assert [number for number in numbers if f'href="/photos/{number}"' in found.text] == [numbers[2]]
    assert "Similar photos" not in session.page(f"/photos/{numbers[3]}").text


def test_lists_go_out_as_csv(desk: RunningDesk) -> None:
    run = desk.add_night(8)
    session = desk.session()
    for path in ("/search.csv?category=Belts", f"/runs/{run}/photos.csv"):
        answer = session.page(path)
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert "2026-11-22/belt-001.jpg" in [row["filename"] for row in rows]
        assert rows[0]["sha256"]
        assert (rows[0]["final_decision"], rows[0]["decided_by"]) == ("open", "")
    assert {
        row["predicted_class"]
        for row in csv.DictReader(io.StringIO(session.page("/search.csv?category=Belts").content.decode("utf-8-sig")))
    } == {"Belts"}


def table(session: Session, path: str) -> list[dict[str, str]]:
    answer = session.page(path)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8", path
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_what_waits_goes_out_in_its_order(desk: RunningDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.routes.review._ROWS_AT_ONCE", 3)
    desk.add_night(8)
    session = desk.session()
    photos = claim(session, 8)["photos"]  # claimed, and listed all the same
    assert [row["photo_id"] for row in table(session, "/review.csv")] == [str(photo["id"]) for photo in photos]
    repeats = [str(photo["id"]) for photo in photos if photo["repeat_of"] is not None and not photo["mismatch"]]
    assert [row["photo_id"] for row in table(session, "/review.csv?kind=repeat")] == repeats != []
    assert verdict(session, photos[0]).status_code == 200
    assert [row["photo_id"] for row in table(session, "/review.csv")] == [str(photo["id"]) for photo in photos[1:]]


def test_runs_and_figures_go_out_as_csv(desk: RunningDesk) -> None:
    runs = [desk.add_night(count) for count in (3, 2)]
    session = desk.session()
    listed = table(session, "/runs.csv")
    assert [(row["id"], row["found"], row["status"]) for row in listed] == [
        (str(runs[1]), "2", "finished"),
        (str(runs[0]), "3", "finished"),
    ]
    assert table(session, "/figures.csv") == []
    verdict(session, claim(session, 1)["photos"][0], category="Wallets")
    (row,) = table(session, "/figures.csv")
    assert (row["of"], row["reviewed"], row["overruled"], float(row["accuracy"])) == ("all verdicts", "1", "1", 0.0)


def test_figures_quote_the_spot_checks(desk: RunningDesk, start_desk: Callable[..., RunningDesk]) -> None:
    desk.add_night(12)
    session = desk.session()
    for photo in claim(session, 12)["photos"]:
        assert verdict(session, photo, category="Belts").status_code == 200
    page = session.page("/figures").text
    assert "no spot check has been decided yet" in page
    assert "In all 11 of 12." in page
    drawn = Drawn("socks", 77)
    database = desk.database
    fill(database, desk.folder / "media", [(drawn, unsure(drawn, 0.99, decision="accept", reason=None, audit=True))])
    database.close()
    assert verdict(session, claim(session)["photos"][0]).status_code == 200
    page = session.page("/figures").text
    assert "1 spot check of the 100 that a figure needs" in page
    assert "of what the model accepted is right" not in page


def test_the_page_of_a_run_tells_its_notes(desk: RunningDesk) -> None:
    run = desk.add_night(2)
    database = desk.database
    with database.writing() as connection:
        notes = [("manifest", "line 3 names <b>no</b> photo"), ("ignored", "ignored by name: 1 *.tmp")]
        runs.store_notes(connection, run, notes)
    database.close()
    page = desk.session().page(f"/runs/{run}").text
    assert '<p class="notice bad wrap" id="problems"><bdi>line 3 names &lt;b&gt;no&lt;/b&gt; photo</bdi></p>' in page
    assert "ignored by name: 1 *.tmp" in page
    assert "run.js" not in page
