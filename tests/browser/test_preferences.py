"""What a reader chooses for the pages: the colour scheme."""

import pytest

from tests.support.running_desk import RunningDesk, Session

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
