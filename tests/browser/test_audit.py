"""The page that shows admins what people decided."""

import csv
import io
import re
from collections.abc import Callable

import pytest

from results.return_lists import decide_return
from tests.browser.requests_of_the_desk import claim, verdict
from tests.support.running_desk import RunningDesk


@pytest.fixture
def guarded(start_desk: Callable[..., RunningDesk]) -> RunningDesk:
    desk = start_desk()
    desk.add_account("ada", "admin")
    desk.add_account("rob", "reviewer")
    desk.add_night(3)
    session = desk.session("rob")
    for photo in claim(session)["photos"]:
        assert verdict(session, photo).status_code == 200
    return desk


def test_the_audit_lists_and_counts_what_people_decided(guarded: RunningDesk) -> None:
    admin = guarded.session("ada")
    shown = admin.page("/audit").text
    assert shown.count('<a href="/photos/') == 3
    assert '<td>rob</td><td class="number">3</td>' in shown
    assert admin.page("/audit?person=ada").text.count('<a href="/photos/') == 0
    with guarded.database.writing() as connection:
        decide_return(connection, "r:R-4000", "hold", "ada", "damaged")
    (linked,) = re.findall(r'<a href="(/returns/[^"]+)"', admin.page("/audit?person=ada").text)
    assert admin.page(linked).status_code == 200
    sent = admin.page("/audit.csv?person=rob").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(sent)))
    assert [(row["person"], row["kind"], row["decision"]) for row in rows] == [("rob", "photo", "confirmed")] * 3
    assert admin.page("/audit.csv?day_to=2026-01-01&zone=Europe/Berlin").text.count("\n") == 1
    for query in ("zone=Mars/Olympus", "day_from=yesterday", "after=[1]", "day_to=9999-12-31&zone=America/New_York"):
        assert admin.page(f"/audit?{query}").status_code == 422, query


def test_only_admins_see_the_audit(guarded: RunningDesk) -> None:
    rob = guarded.session("rob")
    assert [rob.page(path).status_code for path in ("/audit", "/audit.csv")] == [403, 403]
    assert "/audit" not in rob.page("/runs").text
