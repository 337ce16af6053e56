"""The keys of the desk: wait for what is on the screen, and decide it."""

from dataclasses import dataclass

from playwright.sync_api import Page

_SEEN = """() => {
  const shown = document.querySelector("#frame img");
  return !shown || (shown.complete && shown.naturalWidth > 0);
}"""


@dataclass(frozen=True)
class Keyboard:
    """The keyboard of a page that shows one thing after the other.

    Attributes:
        thing: what the page shows, as its panel names it: ``photo`` or ``return``.
    """

    thing: str

    def shown(self, page: Page) -> str:
        """Return the id of what is on the screen, once there is something and its picture is shown."""
        page.wait_for_selector(f"#panel[data-{self.thing}]:visible")
        page.wait_for_function(_SEEN)
        return str(page.get_attribute("#panel", f"data-{self.thing}"))

    def press(self, page: Page, *keys: str) -> str:
        """Press keys, the last of which decides, and return the id of what comes next."""
        before = self.shown(page)
        for key in keys:
            page.keyboard.press(key)
        self.wait_for_next(page, before)
        return str(page.get_attribute("#panel", f"data-{self.thing}"))

    def wait_for_next(self, page: Page, before: str) -> None:
        """Wait until something else is on the screen, or nothing waits any more."""
        next_or_clear = f"""before => document.getElementById("panel").dataset.{self.thing} !== before
          || !document.getElementById("clear").hidden"""
        page.wait_for_function(next_or_clear, arg=before)


PHOTOS = Keyboard("photo")
RETURNS = Keyboard("return")
