"""Logins: what opens a session, what ends it, and what is written down about it."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests

from tests.support.running_desk import PASSWORD, RunningDesk, Session
from web.auth.accounts import Accounts

OTHER_PASSWORD = "purple tractor sings low"


@pytest.fixture
def guarded(start_desk: Callable[..., RunningDesk]) -> RunningDesk:
    """A desk with three accounts."""
    desk = start_desk()
    for name, role in (("vera", "viewer"), ("rob", "reviewer"), ("ada", "admin")):
        desk.add_account(name, role)
    desk.add_night(1)
    return desk


def test_another_site_cannot_log_a_browser_in(guarded: RunningDesk) -> None:
    """Cross-site the browser sends no cookie of ours, so there is no token to compare with."""
    for token in ("\0", "", "None"):
        form = {"csrf": token, "name": "rob", "password": PASSWORD}
        refused = requests.post(f"{guarded.url}/login", data=form, allow_redirects=False, timeout=30)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "csrf"), token


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/login", "/logout", "/desk/claim", "/predict/", "/account/password"])
def test_a_request_that_the_browser_calls_another_sites_is_refused(guarded: RunningDesk, path: str, site: str) -> None:
    session = guarded.session("rob")
    headers = {"X-CSRF-Token": session.token, "Sec-Fetch-Site": site}
    refused = session.post(guarded.url + path, data={"csrf": session.token}, headers=headers, timeout=30)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "cross_site")


def test_a_copied_cookie_ends_with_the_logout(guarded: RunningDesk) -> None:
    session, thief = guarded.session("rob"), Session(guarded.url)
    thief.cookies.update(session.cookies)
    assert thief.page("/review").status_code == 200
    left = session.submit("/logout")
    assert (left.status_code, left.headers["Clear-Site-Data"]) == (303, '"cache"')
    assert thief.page("/review").status_code == 303
    assert thief.page("/photos/1/picture").status_code == 303


def test_a_new_login_ends_the_session_before_it(guarded: RunningDesk) -> None:
    session, thief = guarded.session("rob"), Session(guarded.url)
    thief.cookies.update(session.cookies)
    session.cookies.clear()
    thief.submit("/logout")  # the page that the thief never loaded has no token for this
    assert thief.page("/review").status_code == 200
    again = Session(guarded.url)
    again.cookies.update(thief.cookies)
    again.learn_token()
    assert again.submit("/login", name="ada", password=PASSWORD).status_code == 303
    assert thief.page("/review").status_code == 303
    assert again.page("/account").status_code == 200


def test_sessions_outlive_a_restart_but_not_their_twelve_hours(
    start_desk: Callable[..., RunningDesk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = start_desk()
    desk.add_account("rob")
    session = desk.session("rob")
    restarted = start_desk(web_dir=desk.settings.web_dir)
    session.url = restarted.url
    assert session.page("/review").status_code == 200
    monkeypatch.setattr("web.auth.sessions.SESSION_SECONDS", -1)
    assert session.page("/review").status_code == 303


def test_everybody_sees_and_ends_their_own_logins_and_an_admin_all(guarded: RunningDesk) -> None:
    first, second, admin = guarded.session("rob"), guarded.session("rob"), guarded.session("ada")
    own = first.page("/account").text
    assert own.count("this browser") == 1
    assert own.count("End it") == 1
    assert ">ada" not in own.split("<table")[1]
    assert admin.page("/account").text.count("End it") == 2
    ids = {name: number for number, name in enumerate(("first", "second", "admin"), 1)}
    assert first.submit(f"/account/sessions/{ids['admin']}/end").status_code == 404
    assert first.submit(f"/account/sessions/{ids['second']}/end").status_code == 303
    assert second.page("/review").status_code == 303
    assert admin.submit(f"/account/sessions/{ids['first']}/end").status_code == 303
    assert first.page("/review").status_code == 303
    assert guarded.session("vera").submit("/account/sessions/999/end").status_code == 404


def change_password(session: Session, current: str, new: str, repeated: str | None = None) -> requests.Response:
    return session.submit("/account/password", current=current, new=new, repeated=new if repeated is None else repeated)


def test_people_change_their_own_password(guarded: RunningDesk) -> None:
    session, elsewhere = guarded.session("rob"), guarded.session("rob")
    for current, new, repeated, problem in (
        ("wrong password", OTHER_PASSWORD, OTHER_PASSWORD, "The current password is wrong."),
        (PASSWORD, OTHER_PASSWORD, PASSWORD, "are not the same"),
        (PASSWORD, PASSWORD, PASSWORD, "is the current one"),
        (PASSWORD, "leavemealone", "leavemealone", "too common"),
    ):
        answer = change_password(session, current, new, repeated)
        assert (answer.status_code, problem in answer.text) == (422, True), problem
    assert change_password(session, PASSWORD, OTHER_PASSWORD).status_code == 303
    assert session.page("/review").status_code == 200
    assert elsewhere.page("/review").status_code == 303
    assert Session(guarded.url).log_in("rob", PASSWORD).status_code == 401
    assert Session(guarded.url).log_in("rob", OTHER_PASSWORD).status_code == 303


def test_guessing_the_current_password_is_slowed_down_too(guarded: RunningDesk) -> None:
    session = guarded.session("rob")
    assert [change_password(session, "wrong password", OTHER_PASSWORD).status_code for _ in range(5)] == [422] * 5
    assert change_password(session, PASSWORD, OTHER_PASSWORD).status_code == 429


def test_the_first_password_opens_nothing_but_the_page_that_changes_it(start_desk: Callable[..., RunningDesk]) -> None:
    desk = start_desk(web_predict_token="sesame")
    path = Accounts(desk.settings.web_dir).create_admin()
    assert path is not None
    first = path.read_text().strip()
    session = Session(desk.url)
    assert session.log_in("admin", first).headers["Location"] == "/account"
    session.learn_token("/account")
    for page in ("/review", "/runs", "/search.csv", "/photos/1/picture"):
        assert session.page(page).headers["Location"] == "/account", page
    refused = session.change("/desk/claim", {"desk": "tab-00000001", "count": 1})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "password_change_required")
    files = {"file": ("a.jpg", b"a", "image/jpeg")}
    assert session.post(f"{desk.url}/predict/", files=files, timeout=30).status_code == 401
    assert change_password(session, first, OTHER_PASSWORD).headers["Location"] == "/review"
    assert session.page("/review").status_code == 200
    assert not path.exists()


def test_a_desk_whose_accounts_vanish_lets_nobody_in(guarded: RunningDesk) -> None:
    session = guarded.session("ada")
    (guarded.settings.web_dir / "accounts").unlink()
    for visitor in (session, Session(guarded.url)):
        assert visitor.page("/review").headers["Location"].startswith("/login")
        assert visitor.get(f"{guarded.url}/runs.csv", timeout=30).status_code == 401
    assert "no account" in Session(guarded.url).page("/login").text
    guarded.add_account("ada", "admin")
    assert guarded.session("ada").page("/review").status_code == 200


def test_what_a_proxy_passed_on_is_never_this_machine(desk: RunningDesk) -> None:
    assert desk.session().page("/runs").status_code == 200
    for header in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"):
        answer = requests.get(f"{desk.url}/runs", headers={header: "127.0.0.1"}, timeout=30)
        assert answer.status_code == 401, header


def test_of_two_names_the_proxys_counts(start_desk: Callable[..., RunningDesk]) -> None:
    desk = start_desk(web_proxy_header="X-Forwarded-User")

    def page(*names: str) -> str:
        connection = HTTPConnection(desk.url.removeprefix("http://"), timeout=30)
        try:
            connection.putrequest("GET", "/runs")
            connection.putheader("Accept", "text/html")
            for name in names:  # each in a line of its own, as a proxy adds its own behind the client's
                connection.putheader("X-Forwarded-User", name)
            connection.endheaders()
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    for names in (("ada", "vera"), ("ada, vera",)):
        assert ">vera<" in page(*names)
        assert ">ada<" not in page(*names)
    assert f">{'v' * 64}<" in page("v" * 64)
    assert page("v" * 65) == ""  # two people whose names begin alike are not one


def test_accounts_that_are_added_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    begin = threading.Barrier(6)

    def add(number: int) -> None:
        accounts = Accounts(tmp_path)
        begin.wait()
        accounts.add(f"user-{number}", "viewer", PASSWORD)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(6)))
    assert sorted(Accounts(tmp_path).all()) == [f"user-{number}" for number in range(6)]


def test_what_matters_for_security_is_logged_without_any_password(
    guarded: RunningDesk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "web.security")
    session = Session(guarded.url)
    session.log_in("rob", "a wrong password")
    session.log_in("my secret passphrase", "a wrong password")
    session = guarded.session("vera")
    session.change("/desk/claim", {"desk": "tab-00000001", "count": 1})
    change_password(session, PASSWORD, OTHER_PASSWORD)
    session.learn_token()
    session.submit("/logout")
    for _ in range(6):
        session.log_in("rob", "a wrong password")
    events = [record.fields for record in caplog.records if record.name == "web.security"]  # type: ignore[attr-defined]
    assert [(event["event"], event["user"]) for event in events] == [
        ("login_failed", "rob"),
        ("login_failed", "-"),
        ("login", "vera"),
        ("access_refused", "vera"),
        ("password_changed", "vera"),
        ("logout", "vera"),
        *[("login_failed", "rob")] * 4,
        *[("login_blocked", "rob")] * 2,
    ]
    assert {event["address"] for event in events} == {"127.0.0.1"}
    assert "passphrase" not in caplog.text
    assert PASSWORD not in caplog.text
    assert "wrong password" not in caplog.text
