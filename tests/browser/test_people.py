"""The page where admins manage the people of the desk."""

import logging
import re
from collections.abc import Callable

import pytest

from tests.support.running_desk import PASSWORD, RunningDesk, Session

ACTIONS = ("role", "disable", "enable", "password", "second-factor/remove", "sessions/end")


@pytest.fixture
def guarded(start_desk: Callable[..., RunningDesk]) -> RunningDesk:
    desk = start_desk()
    desk.add_account("ada", "admin")
    desk.add_account("rob", "reviewer")
    return desk


def first_password(page: str) -> str:
    found = re.search(r'First password:</b> <code class="wrap">([^<]+)</code>', page)
    assert found
    return found[1]


def test_an_admin_adds_people_who_choose_their_own_password(guarded: RunningDesk) -> None:
    admin = guarded.session("ada")
    added = admin.submit("/people", name="vera", role="viewer")
    assert added.status_code == 200
    password = first_password(added.text)
    assert password not in admin.page("/people/vera").text
    session = Session(guarded.url)
    assert session.log_in("vera", password).headers["Location"] == "/account"
    assert session.page("/runs").headers["Location"] == "/account"
    for name, problem in (("vera", "already"), ("a:b", "not a name")):
        refused = admin.submit("/people", name=name, role="viewer")
        assert (refused.status_code, problem in refused.text) == (422, True), name
    listed = admin.page("/people").text
    assert [name in listed for name in (">ada<", ">rob<", ">vera<", "first password")] == [True] * 4


def test_a_disabled_person_is_out_at_once_and_comes_back_with_the_same_password(guarded: RunningDesk) -> None:
    admin, rob = guarded.session("ada"), guarded.session("rob")
    assert admin.submit("/people/rob/disable").status_code == 303
    assert rob.page("/review").status_code == 303
    assert Session(guarded.url).log_in("rob", PASSWORD).status_code == 401
    assert "disabled" in admin.page("/people/rob").text
    assert admin.submit("/people/rob/enable").status_code == 303
    assert rob.page("/review").status_code == 303, "a login that ended does not come back"
    assert guarded.session("rob").page("/review").status_code == 200


def test_a_disabled_person_does_not_get_in_through_a_proxy(start_desk: Callable[..., RunningDesk]) -> None:
    desk = start_desk(web_proxy_header="X-Forwarded-User")
    desk.add_account("ada", "admin")
    desk.add_account("rob", "reviewer")
    admin, rob = Session(desk.url), Session(desk.url)
    admin.headers["X-Forwarded-User"] = "ada"
    rob.headers["X-Forwarded-User"] = "rob"
    assert rob.page("/runs").status_code == 200
    admin.learn_token("/people")
    assert admin.submit("/people/rob/disable").status_code == 303
    assert rob.page("/runs").status_code == 303


def test_roles_and_passwords_change_and_logins_end(guarded: RunningDesk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "web.security")
    admin, rob = guarded.session("ada"), guarded.session("rob")
    assert admin.submit("/people/rob/role", role="viewer").status_code == 303
    assert rob.page("/review").status_code == 303
    rob = guarded.session("rob")
    assert admin.submit("/people/rob/sessions/end").status_code == 303
    assert rob.page("/review").status_code == 303
    password = first_password(admin.submit("/people/rob/password").text)
    assert Session(guarded.url).log_in("rob", PASSWORD).status_code == 401
    assert Session(guarded.url).log_in("rob", password).headers["Location"] == "/account"
    events = [record.fields for record in caplog.records if record.name == "web.security"]  # type: ignore[attr-defined]
    mine = [event["event"] for event in events if event["user"] == "ada"]
    assert mine == ["login", "role_changed", "session_ended", "password_reset"]
    assert password not in caplog.text


def test_the_last_admin_stays(guarded: RunningDesk) -> None:
    admin = guarded.session("ada")
    for action, form in (("disable", {}), ("role", {"role": "viewer"})):
        refused = admin.submit(f"/people/ada/{action}", **form)
        assert (refused.status_code, "last admin" in refused.text) == (422, True), action
    assert admin.page("/people").status_code == 200
    assert admin.submit("/people/rob/role", role="admin").status_code == 303
    assert admin.submit("/people/ada/role", role="viewer").status_code == 303
    assert guarded.session("ada").page("/people").status_code == 403


def test_only_admins_manage_people(guarded: RunningDesk) -> None:
    rob = guarded.session("rob")
    assert 'href="/people"' not in rob.page("/review").text
    assert [rob.page(path).status_code for path in ("/people", "/people/ada")] == [403, 403]
    assert rob.submit("/people", name="eve", role="admin").status_code == 403
    for action in ACTIONS:
        assert rob.submit(f"/people/ada/{action}", role="viewer").status_code == 403, action
    admin = guarded.session("ada")
    admin.token = "wrong"
    for action in ACTIONS:
        assert admin.submit(f"/people/rob/{action}", role="viewer").status_code == 403, action
    assert admin.submit("/people", name="eve", role="viewer").status_code == 403
    assert guarded.session("rob").page("/review").status_code == 200
    assert admin.page("/people/nobody").status_code == 404


def test_the_first_account_of_an_open_desk_is_an_admin_and_closes_it(desk: RunningDesk) -> None:
    session = desk.session()
    refused = session.submit("/people", name="rob", role="reviewer")
    assert (refused.status_code, "must be an admin" in refused.text) == (422, True)
    added = session.submit("/people", name="ada", role="admin")
    password = first_password(added.text)
    assert session.page("/people").headers["Location"].startswith("/login")
    assert Session(desk.url).log_in("ada", password).status_code == 303
