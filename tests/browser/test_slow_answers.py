"""The last answers are slow on their way: what the page asks after them arrives before them."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.viewer import Viewer
from tests.support.running_desk import RunningDesk

SLOW = """const send = window.fetch;
window.fetch = async (path, options) => {
  if (/verdict$|decide$/.test(path)) await new Promise((resolve) => setTimeout(resolve, 700));
  return send(path, options);
};"""
PICTURE = "() => { const shown = document.querySelector('#frame img'); return shown && shown.naturalWidth > 0; }"
MOVED = """before => document.querySelector('#frame img')?.src !== before
  || !document.getElementById('clear').hidden"""


def decide(page: Page, key: str) -> None:
    page.wait_for_function(PICTURE)
    before = page.evaluate("document.querySelector('#frame img').src")
    page.keyboard.press(key)
    page.wait_for_function(MOVED, arg=before)


@pytest.mark.parametrize(
    ("path", "key", "said"),
    [("/review/photos", "Enter", "Nothing waits for you"), ("/review", "y", "No return waits for you")],
)
def test_they_are_counted_when_they_come(desk: RunningDesk, viewer: Viewer, path: str, key: str, said: str) -> None:
    if path == "/review":
        desk.add_returns(2)
    else:
        desk.add_night(2, alone=True)
    page = viewer.page()
    page.add_init_script(SLOW)
    page.goto(desk.url + path)
    for _ in range(2):
        decide(page, key)
    expect(page.locator("#done")).to_have_text("2")
    expect(page.locator("#clear-title")).to_have_text(said)
