"""Logins with an authenticator app, and how it is set up and turned off."""

import logging
import re
import subprocess
import sys
from collections.abc import Callable

import pyotp
import pytest

from tests.conftest import ROOT
from tests.support.running_desk import PASSWORD, RunningDesk, Session
from web.auth import second_factors


@pytest.fixture
def guarded(start_desk: Callable[..., RunningDesk]) -> RunningDesk:
    desk = start_desk()
    desk.add_account("ada", "admin")
    return desk


def set_up(session: Session) -> tuple[str, list[str]]:
    """Set an app up as a user does; return its secret and the recovery codes."""
    shown = session.submit("/account/second-factor/begin", current=PASSWORD).text
    found = re.search(r'<code class="wrap">([A-Z2-7]+)</code>', shown)
    assert found
    assert "<svg " in shown
    done = session.submit("/account/second-factor/confirm", code=pyotp.TOTP(found[1]).now())
    assert done.status_code == 200
    session.learn_token("/account")
    return found[1], re.findall(r"<li><code>([a-z2-7-]+)</code></li>", done.text)


def with_password(desk: RunningDesk) -> Session:
    """Return a client that entered the right password and was asked for a code."""
    session = Session(desk.url)
    assert session.log_in("ada", PASSWORD).headers["Location"] == "/login/code"
    assert session.page("/review").headers["Location"].startswith("/login")
    session.learn_token("/login/code")
    return session


def test_a_login_needs_a_code_that_was_never_used(
    guarded: RunningDesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "web.security")
    session, elsewhere = guarded.session("ada"), guarded.session("ada")
    secret, recovery = set_up(session)
    assert session.page("/review").status_code == 200
    assert elsewhere.page("/review").status_code == 303, "the logins before it have shown no code"

    later = second_factors._now() + 300
    monkeypatch.setattr(second_factors, "_now", lambda: later)
    code = pyotp.TOTP(secret).at(int(later))
    phone = with_password(guarded)
    assert phone.submit("/login/code", code=code).headers["Location"] == "/review"
    assert phone.page("/review").status_code == 200
    thief = with_password(guarded)
    refused = thief.submit("/login/code", code=code)
    assert (refused.status_code, "used already" in refused.text) == (401, True)
    assert thief.submit("/login/code", code=recovery[0]).status_code == 303
    assert with_password(guarded).submit("/login/code", code=recovery[0]).status_code == 401
    events = [record.fields["event"] for record in caplog.records if record.name == "web.security"]  # type: ignore[attr-defined]
    assert events[2:] == [
        "second_factor_on",
        "login",
        "code_refused",
        "recovery_code_used",
        "login",
        "code_refused",
    ]
    assert not [secret_text for secret_text in (secret, code, *recovery) if secret_text in caplog.text]


def test_codes_are_guessed_as_slowly_as_passwords(guarded: RunningDesk) -> None:
    _, recovery = set_up(guarded.session("ada"))
    for _ in range(2):  # entering the right password again allows no further guess
        session = with_password(guarded)
        assert session.submit("/login/code", code="wrong").status_code == 401
    session = with_password(guarded)
    assert session.submit("/login/code", code=recovery[0]).status_code == 429
    assert Session(guarded.url).log_in("ada", PASSWORD).status_code == 429


def test_the_code_alone_opens_nothing(guarded: RunningDesk) -> None:
    _, recovery = set_up(guarded.session("ada"))
    stranger = Session(guarded.url)
    stranger.learn_token("/login")
    assert stranger.page("/login/code").headers["Location"] == "/login"
    assert stranger.submit("/login/code", code=recovery[0]).headers["Location"] == "/login"
    waiting = with_password(guarded)
    guarded.add_account("eve", "admin")
    guarded.add_account("ada", "reviewer")  # the account is not the one whose password was checked
    assert waiting.submit("/login/code", code=recovery[0]).headers["Location"] == "/login"


def test_it_is_turned_off_with_password_and_code(guarded: RunningDesk) -> None:
    session = guarded.session("ada")
    _, recovery = set_up(session)
    for password, code, problem in (
        ("wrong password", recovery[0], "password is wrong"),
        (PASSWORD, "000", "code is wrong"),
    ):
        refused = session.submit("/account/second-factor/remove", current=password, code=code)
        assert (refused.status_code, problem in refused.text) == (422, True), problem
    assert session.submit("/account/second-factor/remove", current=PASSWORD, code=recovery[0]).status_code == 303
    assert Session(guarded.url).log_in("ada", PASSWORD).headers["Location"] == "/review"


def test_a_wrong_code_turns_nothing_on(guarded: RunningDesk) -> None:
    session = guarded.session("ada")
    assert session.submit("/account/second-factor/begin", current="wrong password").status_code == 422
    assert session.submit("/account/second-factor/confirm", code="123456").status_code == 303
    assert session.submit("/account/second-factor/begin", current=PASSWORD).status_code == 200
    assert session.submit("/account/second-factor/confirm", code="wrong").status_code == 422
    assert Session(guarded.url).log_in("ada", PASSWORD).headers["Location"] == "/review"


def test_a_new_password_keeps_it_and_a_command_removes_it(guarded: RunningDesk) -> None:
    set_up(guarded.session("ada"))
    guarded.add_account("ada", "admin")
    with_password(guarded)
    (guarded.settings.web_dir / "second-factors").unlink()  # a lost file opens no account
    assert with_password(guarded).submit("/login/code", code="123456").status_code == 401
    environment = {"WEB_DIR": str(guarded.settings.web_dir), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-m", "web", "remove-totp", "ada"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert Session(guarded.url).log_in("ada", PASSWORD).headers["Location"] == "/review"
