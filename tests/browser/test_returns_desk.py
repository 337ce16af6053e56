"""The returns desk as people use it: one question a return, with a keyboard, two reviewers, a phone."""

import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.keyboard import RETURNS
from tests.browser.viewer import AXE, Viewer
from tests.support.running_desk import PASSWORD, RunningDesk

shown, press = RETURNS.shown, RETURNS.press


def open_desk(desk: RunningDesk, viewer: Viewer, path: str = "/review", **more: Any) -> Page:
    page = viewer.page(**more)
    page.goto(desk.url + path)
    shown(page)
    return page


def test_a_night_of_sixty_returns_by_the_keyboard(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_returns(60)
    page = open_desk(desk, viewer)
    viewer.keep(page, "returns")
    keys, spent, decided = 0, [], 0
    while page.locator("#clear").is_hidden():
        key = shown(page)
        number = int(key.removeprefix("r:R-")) - 5000
        # Of the mismatches, every second one is held for the reason that its photos suggest.
        pressed = ["n", "n"] if number % 6 == 0 else ["y"]
        if number % 20 == 1:
            pressed = ["n", "4"]
        elif page.locator("#same").is_visible():
            pressed = ["s"]
        started = time.perf_counter()
        press(page, *pressed)
        spent.append((time.perf_counter() - started) * 1000)
        keys += len(pressed)
        decided += 1
    expect(page.locator("#clear-title")).to_have_text("No return waits for you")
    expect(page.locator("#done")).to_have_text("60")
    spent.sort()
    print(
        f"{decided} returns: {keys / decided:.2f} keys a return, {spent[len(spent) // 2]:.0f} ms to the next (median)"
    )
    assert decided == 60
    assert keys / decided <= 1.3
    page.wait_for_load_state("networkidle")
    counted = dict(desk.rows("SELECT final_decision, count(*) FROM returns GROUP BY 1"))
    assert counted.keys() == {"cleared", "hold"}
    assert sum(counted.values()) == 60
    assert desk.rows("SELECT count(*) FROM return_queue") == [(0,)]
    assert desk.rows("SELECT count(*) FROM review_queue") == [(0,)], "photos of decided returns wait no more"


def decisions(desk: RunningDesk) -> list[tuple[Any, ...]]:
    return desk.rows("SELECT return_key, decision, reason FROM return_decisions ORDER BY id")


def wait_for_rows(page: Page, desk: RunningDesk, query: str, wanted: list[tuple[Any, ...]]) -> None:
    """Wait until the desk has stored something: the page shows the next return before."""
    for _ in range(200):
        if desk.rows(query) == wanted:
            return
        page.wait_for_timeout(50)
    assert desk.rows(query) == wanted


def log_in(page: Page, name: str) -> None:
    page.fill("[name=name]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("text=Log in >> nth=-1")


def test_what_was_decided_is_taken_back_also_after_a_reload(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_returns(6)
    page = open_desk(desk, viewer)
    first = shown(page)
    page.keyboard.press("c")
    page.keyboard.type("sole is torn, unusable")  # a "u" in a field takes nothing back
    page.keyboard.press("Enter")
    second = press(page, "n", "4")
    wait_for_rows(page, desk, "SELECT count(*) FROM return_decisions", [(1,)])
    press(page, "y")
    expect(page.locator("#done")).to_have_text("2")
    wait_for_rows(page, desk, "SELECT count(*) FROM return_decisions", [(2,)])
    page.reload()
    shown(page)
    for key in (second, first):
        page.keyboard.press("u")
        page.wait_for_function("key => document.getElementById('panel').dataset.return === key", arg=key)
    told = desk.rows("SELECT decision, reason, note FROM return_decisions ORDER BY id")
    assert told == [
        ("hold", "damaged", "sole is torn, unusable"), ("cleared", None, None), ("undone", None, None),
        ("undone", None, None),
    ]  # fmt: skip


def test_a_key_that_is_held_counts_once_and_digits_go_by_their_place(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_returns(5)
    page = open_desk(desk, viewer)
    first = shown(page)
    for _ in range(8):  # Playwright marks all but the first as repeated
        page.keyboard.down("y")
    page.keyboard.up("y")
    RETURNS.wait_for_next(page, first)
    expect(page.locator("#done")).to_have_text("1")
    before = shown(page)
    page.keyboard.press("n")
    page.evaluate("""() => document.activeElement.dispatchEvent(new KeyboardEvent("keydown",
        { key: "'", code: "Digit4", bubbles: true, cancelable: true }))""")  # the 4 of a French keyboard
    RETURNS.wait_for_next(page, before)
    wait_for_rows(page, desk, "SELECT decision, reason FROM return_decisions ORDER BY id",
                  [("cleared", None), ("hold", "damaged")])  # fmt: skip


def test_a_repeat_is_judged_beside_the_earlier_picture(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_returns(30)
    page = open_desk(desk, viewer, "/review?kind=repeat")
    assert shown(page) == "r:R-5019"
    expect(page.locator("#earlier-frame img")).to_be_visible()
    expect(page.locator("#earlier-caption")).to_contain_text("R-5018")
    viewer.keep(page, "repeat")
    page.keyboard.press("a")
    expect(page.locator("#earlier-caption")).to_contain_text("Another item")
    expect(page.locator("#pair-verdicts")).to_be_hidden()
    page.keyboard.press("u")
    expect(page.locator("#pair-verdicts")).to_be_visible()
    press(page, "s")
    wait_for_rows(page, desk, "SELECT final_decision, reason FROM returns WHERE return_id = 'R-5019'",
                  [("hold", "same_item")])  # fmt: skip


def test_a_corrected_photo_decides_a_return_that_it_settles(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_returns(3)
    page = open_desk(desk, viewer, "/review?kind=unsure")
    assert shown(page) == "r:R-5001"
    press(page, "1")  # it is what was ordered
    assert shown(page) == "r:R-5002"
    press(page, "4")  # none of ours
    states = "SELECT return_id, final_decision, reason FROM returns WHERE decided_by = 'local' ORDER BY 1"
    assert desk.rows(states) == [("R-5001", "cleared", None), ("R-5002", "hold", "not_what_was_ordered")]


def test_two_people_on_one_queue_never_decide_the_same_return(desk: RunningDesk, viewer: Viewer) -> None:
    for name in ("ada", "ben"):
        desk.add_account(name)
    desk.add_returns(12)
    pages = []
    for name in ("ada", "ben"):
        page = viewer.page()
        page.goto(f"{desk.url}/review?days=&kind=")
        log_in(page, name)
        shown(page)
        pages.append(page)
    seen: list[set[str]] = [set(), set()]
    while any(page.locator("#clear").is_hidden() for page in pages):
        for page, mine in zip(pages, seen, strict=True):
            if page.locator("#clear").is_hidden():
                mine.add(shown(page))
                press(page, "y")
    assert not seen[0] & seen[1]
    assert len(seen[0] | seen[1]) == 12
    for page, mine in zip(pages, seen, strict=True):
        expect(page.locator("#done")).to_have_text(str(len(mine)))
    wait_for_rows(pages[0], desk, "SELECT count(*), count(DISTINCT return_key) FROM return_decisions", [(12, 12)])


def test_a_return_that_changed_meanwhile_is_shown_again_with_what_changed(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_returns(4)
    page = open_desk(desk, viewer)
    session = desk.session()
    session.change("/desk/returns/mark", {"key": shown(page), "kind": "note", "text": "look at the sole"})
    page.keyboard.press("y")
    expect(page.locator(".message.bad")).to_contain_text("a note or a mark changed")
    expect(page.locator("#facts")).to_contain_text("look at the sole")
    expect(page.locator("#done")).to_have_text("0")
    assert decisions(desk) == []
    viewer.complaints = [text for text in viewer.complaints if "409" not in text]  # the refusal itself


def test_a_failed_claim_is_a_banner_and_never_an_empty_desk(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_returns(2)
    page = viewer.page()
    page.route("**/desk/returns/claim", lambda route: route.abort())
    page.goto(f"{desk.url}/review")
    expect(page.locator("#trouble")).to_contain_text("does not know what waits")
    expect(page.locator("#clear")).to_be_hidden()
    viewer.keep(page, "trouble")
    page.unroute("**/desk/returns/claim")
    page.click("#retry")
    shown(page)
    expect(page.locator("#trouble")).to_be_hidden()
    viewer.complaints = [text for text in viewer.complaints if "ERR_FAILED" not in text]


def test_a_decision_whose_session_ended_is_stored_after_the_login(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_account("ada")
    desk.add_returns(4)
    page = viewer.page()
    page.goto(f"{desk.url}/review?kind=mismatch")
    log_in(page, "ada")
    first = shown(page)
    page.context.clear_cookies()
    page.keyboard.press("y")
    page.wait_for_url("**/login?next=*")
    log_in(page, "ada")
    page.wait_for_url("**/review?kind=mismatch")
    expect(page.locator(".message.good")).to_contain_text("Stored after your login")
    assert decisions(desk) == [(first, "cleared", None)]
    viewer.complaints = [text for text in viewer.complaints if "401" not in text and "403" not in text]


def test_a_return_whose_picture_is_lost_is_cleared_only_on_purpose(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_returns(2)
    for picture in desk.settings.media_dir.rglob("*.jpg"):
        picture.unlink()
    page = open_desk(desk, viewer)
    expect(page.locator("#frame")).to_contain_text("The picture of this photo is lost")
    page.keyboard.press("y")
    expect(page.locator(".message.bad")).to_contain_text("Press Shift + Y")
    assert decisions(desk) == []
    press(page, "Shift+Y")
    wait_for_rows(page, desk, "SELECT decision FROM return_decisions", [("cleared",)])


def test_a_question_leaves_the_queue_and_waits_on_its_own_tab(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_returns(3)
    page = open_desk(desk, viewer)
    first = shown(page)
    press(page, "l")
    expect(page.locator("[data-count=asked]")).to_have_text("1")
    page.goto(f"{desk.url}/review?asked=1")
    assert shown(page) == first
    expect(page.locator("#facts")).to_contain_text("asked the lead")


def test_a_scanner_lands_on_the_return(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_returns(12)
    page = open_desk(desk, viewer)
    page.fill("#scan", " r-5007")
    page.keyboard.press("Enter")
    page.wait_for_url("**/returns/r%3AR-5007")
    page.fill("[name=text]", "the customer called")
    page.click("text=Save note")
    expect(page.locator(".history")).to_contain_text("the customer called")
    viewer.keep(page, "return")


@pytest.mark.parametrize(("width", "height"), [(360, 640), (740, 360)])
def test_a_phone_shows_photo_and_decision_without_scrolling(
    desk: RunningDesk, viewer: Viewer, width: int, height: int
) -> None:
    desk.add_returns(3)
    page = open_desk(desk, viewer, width=width, height=height, has_touch=True, is_mobile=True)
    viewer.keep(page, f"phone-{width}")
    for name in ("#frame img", "#clear-return", "#hold", "#ask"):
        box = page.locator(name).bounding_box()
        assert box is not None, name
        assert box["y"] >= 0, name
        assert box["y"] + box["height"] <= height, name
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, page.evaluate("""() => [...document.querySelectorAll("main *, header *")].filter(
        (part) => part.getBoundingClientRect().right > innerWidth).map((part) => part.outerHTML.slice(0, 80))""")
    before = shown(page)
    page.tap("#clear-return")
    RETURNS.wait_for_next(page, before)


PAGES = ("/review", "/review?kind=repeat", "/review?asked=1", "/review/photos", "/returns", "/returns/r%3AR-5009")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_the_pages_of_returns(desk: RunningDesk, viewer: Viewer, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm install --no-save --no-package-lock axe-core@4.14.1)")
    desk.add_returns(20)
    script = AXE.read_text(encoding="utf-8")
    found = []
    for width, height in ((1366, 768), (360, 640), (3840, 2160)):
        page = viewer.page(width, height, color_scheme=scheme)
        for path in PAGES:
            page.goto(desk.url + path)
            page.wait_for_load_state("networkidle")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path} is {wide} pixels wider than a screen of {width}"
            name = path.strip("/").replace("/", "-").replace("?", "-").replace("%3A", "-")
            viewer.keep(page, f"{name}-{width}-{scheme}")
            if width == 1366:
                page.evaluate(script)
                report = page.evaluate("axe.run()")
                found += [
                    (path, rule["id"], [node["html"][:120] for node in rule["nodes"]])
                    for rule in report["violations"]
                    if rule["impact"] in ("serious", "critical")
                ]
    assert found == []
