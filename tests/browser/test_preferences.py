"""What a reader chooses for the pages: the colour scheme and the language."""

from collections.abc import Callable

import pytest

from tests.support.running_desk import PASSWORD, RunningDesk, Session

DARK = '<link rel="stylesheet" href="/static/dark.css"'


@pytest.mark.parametrize(
    ("theme", "there", "scheme"),
    [
        ("system", f'{DARK} media="(prefers-color-scheme: dark)">', "light dark"),
        ("dark", f"{DARK}>", "dark"),
        ("light", '<html lang="en" data-theme="light">', "light"),
    ],
)
def test_the_colour_scheme_is_chosen_and_kept(desk: RunningDesk, theme: str, there: str, scheme: str) -> None:
    session = desk.session()
    session.submit("/preferences/theme", theme="dark")
    chosen = session.submit("/preferences/theme", theme=theme, back="/runs")
    assert (chosen.status_code, chosen.headers["Location"]) == (303, "/runs")
    for path in ("/runs", "/account", "/no-such-page"):
        page = session.page(path).text
        assert there in page
        assert f'<meta name="color-scheme" content="{scheme}">' in page
        assert (DARK in page) == (theme != "light")


def test_nonsense_is_not_kept(desk: RunningDesk) -> None:
    session = desk.session()
    assert session.submit("/preferences/theme", theme="pink").status_code == 422
    assert session.submit("/preferences/theme", theme="dark", back="//evil.example").headers["Location"] == "/review"
    stranger = Session(desk.url)
    assert stranger.submit("/preferences/theme", theme="dark").status_code == 403
    stranger.cookies.set("theme", 'dark" onload="alert(1)', domain="127.0.0.1", path="/")
    assert "alert" not in stranger.page("/runs").text


def test_the_language_is_the_browsers_until_the_reader_chooses_one(start_desk: Callable[..., RunningDesk]) -> None:
    desk = start_desk()
    desk.add_account("ada", "admin")
    session = Session(desk.url)
    session.headers["Accept-Language"] = "de-AT, en;q=0.5"
    page = session.page("/login").text
    assert '<html lang="de">' in page
    assert "Anmelden" in page
    assert "Der Name oder das Passwort ist falsch." in session.log_in("ada", "wrong password").text
    assert session.log_in("ada", PASSWORD).status_code == 303
    session.learn_token("/account")
    for path, text in (("/account", "Passwort ändern"), ("/people", "Person hinzufügen"), ("/audit", "Protokoll")):
        page = session.page(path).text
        assert ('<html lang="de">' in page, text in page, "Abmelden" in page) == (True, True, True), path
    assert session.submit("/preferences/language", language="pl", back="/people").headers["Location"] == "/people"
    assert "Dodaj osobę" in session.page("/people").text
    assert session.submit("/preferences/language", language="xx").status_code == 422
    assert session.submit("/preferences/language", language="en").status_code == 303
    assert "Add a person" in session.page("/people").text


def test_a_page_that_is_not_translated_is_english_as_a_whole(desk: RunningDesk) -> None:
    desk.add_night(1)
    session = desk.session()
    page = session.page("/runs").text
    session.headers["Accept-Language"] = "de"
    german = session.page("/runs").text
    assert german.replace(session.learn_token("/runs"), "") == page.replace(session.token, "")
    assert '<html lang="en">' in german
