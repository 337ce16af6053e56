"""Answers that are slow on their way: what the page asks after a decision arrives before it."""

import pytest
from playwright.sync_api import expect

from tests.browser.keyboard import PHOTOS, RETURNS, Keyboard
from tests.browser.viewer import Viewer
from tests.support.running_desk import RunningDesk

SLOW = """const send = window.fetch;
window.fetch = async (path, options) => {
  if (/verdict$|decide$/.test(path)) await new Promise((resolve) => setTimeout(resolve, 700));
  return send(path, options);
};"""


def test_a_photo_whose_verdict_is_on_its_way_is_not_given_out_again(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_night(8, alone=True)
    page = viewer.page()
    page.add_init_script(SLOW)
    page.goto(f"{desk.url}/review/photos")
    seen = [PHOTOS.shown(page)]
    with page.expect_response("**/desk/claim"):
        seen += [PHOTOS.press(page, "Enter") for _ in range(2)]
    expect(page.locator("#done")).to_have_text("2")
    assert len(set(seen)) == 3
    page.keyboard.press("u")
    page.keyboard.press("u")
    page.wait_for_function("first => document.getElementById('panel').dataset.photo === first", arg=seen[0])
    expect(page.locator("#done")).to_have_text("0")
    kinds = [kind for (kind,) in desk.rows("SELECT verdict FROM reviews ORDER BY id")]
    assert kinds == ["confirmed", "confirmed", "undone", "undone"]


@pytest.mark.parametrize(
    ("path", "keyboard", "key", "said"),
    [
        ("/review/photos", PHOTOS, "Enter", "Nothing waits for you"),
        ("/review", RETURNS, "y", "No return waits for you"),
    ],
)
def test_the_last_decisions_are_counted_when_they_come(
    desk: RunningDesk, viewer: Viewer, path: str, keyboard: Keyboard, key: str, said: str
) -> None:
    if keyboard is RETURNS:
        desk.add_returns(2)
    else:
        desk.add_night(2, alone=True)
    page = viewer.page()
    page.add_init_script(SLOW)
    page.goto(desk.url + path)
    for _ in range(2):
        keyboard.press(page, key)
    expect(page.locator("#done")).to_have_text("2")
    expect(page.locator("#clear-title")).to_have_text(said)
