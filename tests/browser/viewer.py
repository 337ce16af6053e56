"""A real browser: Debian's chromium, and pages that remember every complaint of the console."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.conftest import ROOT

CHROMIUM = shutil.which("chromium")
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
_OPTIONS = "no-sandbox disable-gpu disable-background-networking disable-component-update disable-sync no-first-run"
_WAIT = 20_000  # milliseconds; a busy machine is no fault of the page


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    expect.set_options(timeout=_WAIT)
    with sync_playwright() as playwright:
        arguments = [f"--{option}" for option in (*_OPTIONS.split(), "disable-quic")]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@dataclass
class Viewer:
    """Opens pages as somebody with a screen of some size, and remembers every complaint of the console."""

    browser: Browser
    screenshots: Path
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def page(self, width: int = 1440, height: int = 900, **more: Any) -> Page:
        context = self.browser.new_context(viewport={"width": width, "height": height}, **more)
        context.set_default_timeout(_WAIT)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.note(message.type, message.text))
        page.on("pageerror", lambda error: self.note("error", str(error)))
        return page

    def note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def keep(self, page: Page, name: str) -> None:
        page.screenshot(path=self.screenshots / f"{name}.png")


@pytest.fixture
def viewer(chromium: Browser, screenshots: Path) -> Iterator[Viewer]:
    viewer = Viewer(chromium, screenshots)
    yield viewer
    for context in viewer.contexts:
        context.close()
    assert viewer.complaints == []
