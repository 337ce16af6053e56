"""The desk as people use it: Debian's chromium, a keyboard, two reviewers, a phone."""

import base64
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from results import runs
from results.fingerprints import Fingerprint
from results.runs import Counts
from tests.browser.keyboard import PHOTOS
from tests.browser.viewer import AXE, Viewer
from tests.support.drawn_photos import SAMPLES
from tests.support.running_desk import PASSWORD, RunningDesk
from tests.support.seeded_results import Drawn, fill, unsure

shown, press = PHOTOS.shown, PHOTOS.press


def test_thirty_photos_without_touching_the_mouse(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_night(30, alone=True)
    page = viewer.page()
    page.goto(f"{desk.url}/review/photos")
    expect(page.locator("#frame img")).to_be_visible()
    viewer.keep(page, "desk")
    press(page, "Enter")
    press(page, "2")
    press(page, "3")
    press(page, "w", "a", "t", "Enter")  # Watches
    press(page, "4")
    press(page, "5")
    press(page, "/", "ArrowDown", "ArrowDown", "Enter")  # the third of all
    skipped = shown(page)
    press(page, "ArrowRight")
    press(page, "ArrowLeft")
    assert shown(page) == skipped
    for _ in range(22):
        press(page, "1")
    page.keyboard.press("Enter")
    expect(page.locator("#clear-title")).to_have_text("Nothing waits for you")
    expect(page.locator("#done")).to_have_text("30")
    viewer.keep(page, "nothing-waits")
    counted = dict(desk.rows("SELECT verdict, count(*) FROM reviews GROUP BY verdict"))
    assert sum(counted.values()) == 30
    assert (counted["corrected"], counted["not_ours"], counted["unusable"]) == (4, 1, 1)
    assert desk.rows("SELECT count(*) FROM reviews WHERE to_class = 'Watches' AND from_class <> 'Watches'") == [(1,)]


def test_undo_goes_back_and_erases_nothing(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_night(4, alone=True)
    page = viewer.page()
    page.goto(f"{desk.url}/review/photos")
    first = shown(page)
    press(page, "2")
    press(page, "1")
    page.keyboard.press("u")
    page.keyboard.press("u")
    page.wait_for_function("first => document.getElementById('panel').dataset.photo === first", arg=first)
    expect(page.locator("#done")).to_have_text("0")
    press(page, "Enter")
    expect(page.locator("#done")).to_have_text("1")
    verdicts = desk.rows("SELECT photo_id, verdict FROM reviews ORDER BY id")
    # The verdicts on two photos are two requests: either may arrive first.
    assert [kind for photo, kind in verdicts if photo == int(first)] == ["corrected", "undone", "confirmed"]
    assert [kind for photo, kind in verdicts if photo != int(first)] == ["confirmed", "undone"]


def test_two_reviewers_never_see_the_same_photo(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_account("ada")
    desk.add_account("ben")
    desk.add_night(12, alone=True)
    pages = []
    for name in ("ada", "ben"):
        page = viewer.page()
        page.goto(f"{desk.url}/review/photos")
        page.fill("[name=name]", name)
        page.fill("[name=password]", PASSWORD)
        page.click("text=Log in >> nth=-1")
        shown(page)
        pages.append(page)
    seen: list[set[str]] = [set(), set()]
    for _ in range(3):
        for page, mine in zip(pages, seen, strict=True):
            mine.add(shown(page))
            press(page, "Enter")
    for page, mine in zip(pages, seen, strict=True):
        while page.locator("#clear").is_hidden():
            mine.add(shown(page))
            press(page, "Enter")
    assert not seen[0] & seen[1]
    assert len(seen[0] | seen[1]) == 12
    assert min(map(len, seen)) >= 3
    for page, mine in zip(pages, seen, strict=True):
        expect(page.locator("#done")).to_have_text(str(len(mine)))  # the last verdicts are stored
    counted = dict(desk.rows("SELECT reviewer, count(*) FROM reviews GROUP BY reviewer"))
    assert counted == {"ada": len(seen[0]), "ben": len(seen[1])}


def test_a_photo_that_somebody_else_decided_is_told_and_left(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_night(3, alone=True)
    page = viewer.page()
    page.goto(f"{desk.url}/review/photos")
    photo = shown(page)
    ((prediction,),) = desk.rows(f"SELECT id FROM predictions_history WHERE photo_id = {photo}")
    desk.session().change(f"/photos/{photo}/verdict", {"prediction_id": prediction, "category": "Belts"})
    press(page, "Enter")
    expect(page.locator(".message.bad")).to_contain_text("local was faster and decided: Belts")
    viewer.keep(page, "refused")
    viewer.complaints = [text for text in viewer.complaints if "409" not in text]  # the refusal itself


def test_the_grid_accepts_all_but_the_wrong_ones(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_night(60)
    page = viewer.page()
    page.goto(f"{desk.url}/review/grid?category=Socks")
    cells = page.locator(".cell")
    expect(cells).to_have_count(5)
    cells.nth(1).click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page.locator("#accept")).to_have_text("Accept the other 3")
    expect(page.locator("#shown")).to_have_text("5 of 5")
    viewer.keep(page, "grid")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")  # on a cell it marks, and never accepts a page
    expect(page.locator("#accept")).to_have_text("Accept the other 2")
    page.keyboard.press("Enter")
    page.keyboard.press("a")
    expect(page.locator("#clear-text")).to_have_text("2 that you clicked out wait at the desk.")
    assert desk.rows("SELECT verdict, to_class, count(*) FROM reviews GROUP BY 1, 2") == [("confirmed", "Socks", 3)]
    page.keyboard.press("u")
    expect(page.locator(".message", has_text="3 taken back")).to_be_visible()
    assert desk.rows("SELECT count(*) FROM reviews WHERE verdict = 'undone'") == [(3,)]


DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const event = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer });
  document.getElementById("drop").dispatchEvent(event);
}"""


def test_a_dropped_photo_is_classified(desk: RunningDesk, viewer: Viewer) -> None:
    page = viewer.page()
    page.goto(f"{desk.url}/upload")
    photo = (SAMPLES / "socks.jpg").read_bytes()
    page.evaluate(DROP, ["my socks.jpg", base64.b64encode(photo).decode()])
    answer = page.locator(".answer")
    expect(answer.locator(".tag")).to_have_text("for review")
    expect(answer).to_contain_text("Socks")
    expect(answer).to_contain_text("91.0%")
    expect(answer).to_contain_text(" ms, model 1.0.0")
    answer.get_by_role("button", name="Show where it looked").click()
    expect(answer.locator("canvas")).to_be_visible()
    viewer.keep(page, "upload")
    assert desk.stub.photos == [photo]


PASTE = """(photos) => {
  const transfer = new DataTransfer();
  for (const [name, content] of photos) {
    const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  }
  document.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, clipboardData: transfer }));
}"""


def test_pasted_photos_are_classified_each_on_its_own(desk: RunningDesk, viewer: Viewer) -> None:
    photos = {name: (SAMPLES / f"{name}.jpg").read_bytes() for name in ("socks", "belt", "heel", "watch", "dress")}
    page = viewer.page()
    page.goto(f"{desk.url}/upload")
    page.evaluate(PASTE, [[name, base64.b64encode(photo).decode()] for name, photo in photos.items()])
    expect(page.locator(".answer .tag")).to_have_count(5)
    assert sorted(desk.stub.photos) == sorted(photos.values())


def test_an_upload_that_is_no_photo_says_why(desk: RunningDesk, viewer: Viewer) -> None:
    desk.stub.answer = lambda body, attempt: (415, {"error": {"code": "unsupported_format", "message": "No photo."}})
    page = viewer.page()
    page.goto(f"{desk.url}/upload")
    page.set_input_files("#files", {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"notes"})
    expect(page.locator(".answer [role=alert]")).to_have_text("No photo.")
    viewer.complaints = [text for text in viewer.complaints if "415" not in text]  # the answer itself


def test_similar_photos_are_one_click_away(desk: RunningDesk, viewer: Viewer) -> None:
    look = Fingerprint(5, bytes(range(192)))
    drawn = [Drawn(name, number) for number, name in enumerate(("belt", "watch"))]
    alike = replace(look, dhash=look.dhash ^ 0b111_1111 << 30)
    answers = [unsure(each, 0.5, fingerprint=seen) for each, seen in zip(drawn, (look, alike), strict=True)]
    database = desk.database
    fill(database, desk.settings.media_dir, list(zip(drawn, answers, strict=True)))
    database.close()
    page = viewer.page()
    page.goto(f"{desk.url}/photos/1")
    expect(page.get_by_role("heading", name="Similar photos")).to_be_visible()
    viewer.keep(page, "similar")
    page.click("text=All of them")
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator(".card .name")).to_have_text("2026-11-22/watch-001.jpg")
    expect(page.get_by_label("Looks like photo")).to_have_value("1")


def test_a_phone_has_everything_within_reach(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_night(6, alone=True)
    page = viewer.page(390, 844, has_touch=True, is_mobile=True)
    for path in (
        "/",
        "/spot-checks",
        "/review/photos",
        "/review/grid",
        "/upload",
        "/runs",
        "/runs/1",
        "/figures",
        "/what-if",
        "/search",
        "/photos/1",
    ):
        page.goto(desk.url + path)
        page.wait_for_load_state("networkidle")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} is {wide} pixels wider than the phone"
        viewer.keep(page, f"phone{path.replace('/', '-')}")
    page.goto(f"{desk.url}/review/photos")
    first = shown(page)
    page.tap("#top li:nth-child(2) button")
    page.wait_for_function("first => document.getElementById('panel').dataset.photo !== first", arg=first)
    expect(page.locator("#done")).to_have_text("1")  # the next photo is shown before the verdict is stored
    assert desk.rows("SELECT verdict FROM reviews") == [("corrected",)]


def test_times_are_the_readers(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_night(1)
    ((started,),) = desk.rows("SELECT started_at FROM runs")
    page = viewer.page(timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto(f"{desk.url}/runs")
    hour = (int(started[11:13]) + 9) % 24
    expect(page.locator("tbody time")).to_contain_text(f"{hour:02}:{started[14:16]}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(desk: RunningDesk, viewer: Viewer, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm install --no-save --no-package-lock axe-core@4.14.1)")
    desk.add_night(14)
    page = viewer.page(color_scheme=scheme)
    script = AXE.read_text(encoding="utf-8")
    found = []
    for path in (
        "/",
        "/spot-checks",
        "/review/photos",
        "/review/grid",
        "/review/grid?category=Belts",
        "/upload",
        "/runs",
        "/runs/1",
        "/figures",
        "/what-if",
        "/search",
        "/photos/1",
        "/docs",
        "/nowhere",
    ):
        page.goto(desk.url + path)
        page.wait_for_load_state("networkidle")
        page.evaluate(script)
        report = page.evaluate("axe.run()")
        found += [
            (path, rule["id"], [node["html"][:120] for node in rule["nodes"]])
            for rule in report["violations"]
            if rule["impact"] in ("serious", "critical")
        ]
    viewer.complaints = [text for text in viewer.complaints if "404" not in text]  # the page that is not there
    assert found == []


def test_every_size_of_screen_and_both_schemes_are_kept_to_look_at(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_night(40, alone=True)
    for name, width, height, scheme in (
        ("4k", 3840, 2160, "light"),
        ("dark", 1440, 900, "dark"),
        ("tablet", 820, 1180, "light"),
    ):
        page = viewer.page(width, height, color_scheme=scheme)
        for path in ("/review/photos", "/figures", "/search"):
            page.goto(desk.url + path)
            page.wait_for_load_state("networkidle")
            viewer.keep(page, f"{name}{path.replace('/', '-')}")
        page.goto(f"{desk.url}/review/photos")
        shown(page)
        text = page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")
        assert text >= (20 if width > 3000 else 16)
        buttons = page.locator("#top button").first.bounding_box()
        assert buttons is not None, "the first answer is below the fold"
        assert buttons["y"] + buttons["height"] <= height, "the first answer is below the fold"


def test_the_page_of_a_run_follows_the_run(desk: RunningDesk, viewer: Viewer) -> None:
    desk.add_night(1)
    database = desk.database
    with database.writing() as connection:
        run = runs.start_run(connection, "/returns/inbox", total=8)
        runs.set_counts(connection, run, Counts(classified=2))
    page = viewer.page()
    page.goto(f"{desk.url}/runs/{run}")
    expect(page.locator(".progress")).to_contain_text("2 of 8 photos")
    viewer.keep(page, "run-in-progress")
    with database.writing() as connection:
        runs.finish_run(connection, run, "finished", 0, Counts(classified=8), None)
    database.close()
    expect(page.locator("h1 .tag")).to_have_text("finished")
    expect(page.locator(".progress")).to_have_count(0)
    expect(page.locator(".sum li").first).to_contain_text("8 found")
