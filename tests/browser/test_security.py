"""Who gets in, and what nobody gets: paths, scripts, other sites' requests, other people's sessions."""

import stat
from collections.abc import Callable
from dataclasses import replace

import pytest
import requests

from tests.support.running_desk import PASSWORD, RunningDesk, Session
from tests.support.seeded_results import Drawn, fill, unsure

HOSTILE = "<img src=x onerror=alert(1)>\"'></script>{{1234*1000}}"


@pytest.fixture
def guarded(start_desk: Callable[..., RunningDesk]) -> RunningDesk:
    """A desk with three accounts."""
    desk = start_desk()
    for name, role in (("vera", "viewer"), ("rob", "reviewer"), ("ada", "admin")):
        desk.add_account(name, role)
    desk.add_night(4)
    return desk


PAGES = ["/review", "/review/grid", "/upload", "/runs", "/runs/1", "/figures", "/search", "/search.csv", "/photos/1"]
PAGES += [
    "/what-if",
    "/review.csv",
    "/runs.csv",
    "/figures.csv",
    "/photos/1/picture",
    "/photos/1/thumbnail",
    "/runs/1/photos.csv",
]
CHANGES = {
    "/desk/claim": {"desk": "tab-00000001", "count": 1},
    "/desk/release": {"desk": "tab-00000001"},
    "/desk/accept": {"photos": [{"photo_id": 1, "prediction_id": 1}]},
    "/photos/1/verdict": {"prediction_id": 1, "category": "Belts"},
    "/verdicts/1/undo": {},
}


def test_nothing_is_shown_without_a_login(guarded: RunningDesk) -> None:
    session = Session(guarded.url)
    for path in PAGES:
        answer = session.page(path)
        assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (303, "/login"), path
        program = requests.get(guarded.url + path, timeout=30)
        assert (program.status_code, program.json()["error"]["code"]) == (401, "login_required"), path
    session.learn_token("/login")
    for path, body in CHANGES.items():
        assert session.change(path, body).status_code == 401, path


def test_roles(guarded: RunningDesk) -> None:
    viewer, reviewer, admin = (guarded.session(name) for name in ("vera", "rob", "ada"))
    assert all(viewer.page(path).status_code == 200 for path in PAGES)
    for path, body in CHANGES.items():
        assert viewer.change(path, body).json()["error"]["code"] == "not_allowed", path
    review = reviewer.change("/photos/1/verdict", CHANGES["/photos/1/verdict"]).json()["review_id"]
    guarded.add_account("rita", "reviewer")
    assert guarded.session("rita").change(f"/verdicts/{review}/undo", {}).json()["error"]["code"] == "cannot_undo"
    assert admin.change(f"/verdicts/{review}/undo", {}).status_code == 200


def test_every_change_needs_the_token_of_its_own_session(guarded: RunningDesk) -> None:
    session, other = guarded.session("rob"), guarded.session("ada")
    for token in ("", "wrong", other.token):
        session.token = token
        for path, body in CHANGES.items():
            assert session.change(path, body).json()["error"]["code"] == "csrf", (path, token)
        form = {"csrf": token}
        assert session.post(f"{guarded.url}/logout", data=form, timeout=30).status_code == 403
        files = {"file": ("a.jpg", b"a", "image/jpeg")}
        assert session.post(f"{guarded.url}/upload/classify", files=files, timeout=30).status_code == 403
    assert guarded.rows("SELECT count(*) FROM reviews") == [(0,)]


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(start_desk: Callable[..., RunningDesk]) -> None:
    desk = start_desk(web_secure_cookies=True)
    desk.add_account("ada")
    cookie = requests.get(f"{desk.url}/login", timeout=30).headers["Set-Cookie"].lower()
    assert {"httponly", "samesite=lax", "secure", "path=/"} <= {part.strip() for part in cookie.split(";")}
    assert cookie.startswith("__host-refund_desk=")
    assert "domain" not in cookie


def test_a_session_ends_with_logout_a_new_password_and_a_forged_cookie(guarded: RunningDesk) -> None:
    session = guarded.session("rob")
    guarded.add_account("rob", "admin")
    assert session.page("/review").status_code == 303
    session = guarded.session("rob")
    session.cookies.set("refund_desk", session.cookies["refund_desk"][:-4] + "AAAA", domain="127.0.0.1", path="/")
    assert session.page("/review").status_code == 303
    session = guarded.session("rob")
    session.post(f"{guarded.url}/logout", data={"csrf": session.token}, timeout=30)
    assert session.page("/review").status_code == 303


def test_guessing_passwords_is_slowed_down(guarded: RunningDesk) -> None:
    session = Session(guarded.url)
    assert [session.log_in("rob", "wrong password").status_code for _ in range(5)] == [401] * 5
    blocked = session.log_in("rob", PASSWORD)
    assert blocked.status_code == 429
    assert 0 < int(blocked.headers["Retry-After"]) <= 301
    assert session.log_in("ada", PASSWORD).status_code == 303


def test_behind_a_proxy_only_who_guesses_is_slowed_down(guarded: RunningDesk) -> None:
    """The proxy is on this machine; what comes before its own entry is whatever the client made up."""
    guesser, owner = Session(guarded.url), Session(guarded.url)
    for n in range(5):
        guesser.headers["X-Forwarded-For"] = f"203.0.113.{n}, 198.51.100.1"
        assert guesser.log_in("rob", "wrong password").status_code == 401
    assert guesser.log_in("rob", PASSWORD).status_code == 429
    owner.headers["X-Forwarded-For"] = "198.51.100.2"
    assert owner.log_in("rob", PASSWORD).status_code == 303


@pytest.mark.parametrize(
    ("proxies", "forwarded"), [("192.0.2.1", "198.51.100.{}"), ("127.0.0.1", "not an address, {}:80")]
)
def test_an_address_that_no_proxy_vouches_for_is_not_believed(
    start_desk: Callable[..., RunningDesk], proxies: str, forwarded: str
) -> None:
    desk = start_desk(web_proxy_addresses=proxies)
    desk.add_account("rob")
    session = Session(desk.url)
    statuses = []
    for n in range(6):
        session.headers["X-Forwarded-For"] = forwarded.format(n)
        statuses.append(session.log_in("rob", "wrong password").status_code)
    assert statuses == [401] * 5 + [429]


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_login_leads_nowhere_else(guarded: RunningDesk, target: str) -> None:
    session = Session(guarded.url)
    form = {"csrf": session.learn_token("/login"), "name": "ada", "password": PASSWORD, "next": target}
    answer = session.post(f"{guarded.url}/login", data=form, allow_redirects=False, timeout=30)
    assert answer.headers["Location"] == "/review"


def test_every_answer_carries_the_security_headers(guarded: RunningDesk) -> None:
    session = guarded.session("ada")
    for path in ("/review", "/static/desk.css", "/photos/1/picture", "/nowhere", "/openapi.json", "/login"):
        headers = session.page(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
    assert session.page("/review").headers["Cache-Control"] == "no-store"


def test_no_page_has_an_inline_script_or_style(guarded: RunningDesk) -> None:
    session = guarded.session("ada")
    for path in (
        "/review",
        "/review/grid?category=Belts",
        "/upload",
        "/runs/1",
        "/figures",
        "/what-if",
        "/search",
        "/photos/1",
        "/docs",
    ):
        text = session.page(path).text
        assert "<style" not in text, path
        assert " style=" not in text, path
        assert "javascript:" not in text, path
        assert text.count("<script") == text.count('<script type="module" src="/static/'), path
        assert " onclick=" not in text, path
        assert " onerror=" not in text, path


@pytest.mark.parametrize(
    "path",
    ["/photos/..%2f..%2fsecret/picture", "/photos/1/..%2f..%2fresults.db", "/photos/1/picture.jpg", "/photos/0/picture",
     "/photos/-1/picture", "/photos/1e3/picture", "/photos/99999999999999999999/picture", "/static/..%2fapp.py",
     "/static/%2e%2e/app.py", "/static/..%5capp.py", "/photos/%2fetc%2fpasswd/picture"],
)  # fmt: skip
def test_path_tricks_lead_nowhere(desk: RunningDesk, path: str) -> None:
    desk.add_night(1)
    prepared = requests.Request("GET", desk.url + path).prepare()
    prepared.url = desk.url + path  # as it is, for requests tidies paths up
    answer = requests.Session().send(prepared, timeout=30)
    assert answer.status_code in (404, 422)
    assert "root:" not in answer.text
    assert "create_app" not in answer.text


def test_a_hash_in_the_table_that_is_a_path_opens_nothing(desk: RunningDesk) -> None:
    """Only who writes the database could do this; it is a path all the same."""
    desk.add_night(1)
    (desk.folder / "secret.jpg").write_bytes(b"secret")
    database = desk.database
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE photos SET sha256 = '../../secret'")
    database.close()
    assert desk.session().page("/photos/1/picture").status_code == 404


def test_names_from_outside_never_become_markup(desk: RunningDesk) -> None:
    drawn = Drawn("belt", 1)
    plain = unsure(drawn, 0.5, expected_category=HOSTILE)
    hostile = replace(plain, photo=replace(plain.photo, filename=f"{HOSTILE}.jpg", return_id=HOSTILE, source=HOSTILE))
    database = desk.database
    run = fill(database, desk.settings.media_dir, [(drawn, hostile)])
    database.close()
    session = desk.session()
    for path in (
        "/search",
        "/photos/1",
        f"/runs/{run}",
        "/runs",
        "/search?filename=%3Cimg",
        f"/search?return_id={HOSTILE}",
    ):
        text = session.page(path).text
        assert "<img src=x" not in text, path
        assert "1234000" not in text, path
    assert "&lt;img src=x" in session.page("/photos/1").text
    assert session.page(f"/nowhere/{HOSTILE}").text.count("<img src=x") == 0


@pytest.mark.parametrize(
    "text", ["' OR 1=1 --", "'; DROP TABLE photos; --", "%' UNION SELECT 1 --", '" OR ""="', "*' OR '1'='1"]
)
def test_no_field_of_the_search_is_sql(desk: RunningDesk, text: str) -> None:
    desk.add_night(2)
    session = desk.session()
    for field in ("filename", "return_id", "category", "sha256"):
        answer = session.page("/search", params={field: text})
        assert (answer.status_code, "Nothing found" in answer.text) == (200, True), field
    assert session.change("/desk/claim", {"desk": "tab-00000001", "count": 5, "category": text}).json()["photos"] == []
    assert desk.rows("SELECT count(*) FROM photos") == [(2,)]


def test_csv_runs_no_formula(desk: RunningDesk) -> None:
    drawn = Drawn("belt", 1)
    plain = unsure(drawn, 0.5)
    database = desk.database
    fill(database, desk.settings.media_dir, [(drawn, replace(plain, photo=replace(plain.photo, filename="=1+1.jpg")))])
    database.close()
    assert "'=1+1.jpg" in desk.session().page("/search.csv").text


def test_without_accounts_only_this_machine_gets_in(desk: RunningDesk) -> None:
    port = desk.url.rsplit(":", 1)[1]
    for host, status in ((f"127.0.0.1:{port}", 200), (f"localhost:{port}", 200), (f"[::1]:{port}", 200),
                         ("evil.example", 400), (f"127.0.0.1.evil.example:{port}", 400), ("", 400)):  # fmt: skip
        answer = requests.get(f"{desk.url}/review", headers={"Host": host, "Accept": "text/html"}, timeout=30)
        assert answer.status_code == status, host


def test_a_proxys_header_counts_only_from_the_proxy(start_desk: Callable[..., RunningDesk]) -> None:
    trusting = start_desk(web_proxy_header="X-Forwarded-User", web_proxy_role="reviewer")
    headers = {"X-Forwarded-User": "grace", "Accept": "text/html"}
    page = requests.get(f"{trusting.url}/review", headers=headers, timeout=30)
    assert page.status_code == 200
    assert "grace" in page.text
    assert "Log out" not in page.text
    assert requests.get(f"{trusting.url}/runs", timeout=30).status_code == 401
    distant = start_desk(web_proxy_header="X-Forwarded-User", web_proxy_addresses="192.0.2.1")
    assert requests.get(f"{distant.url}/runs", headers={"X-Forwarded-User": "grace"}, timeout=30).status_code == 401


def test_accounts_are_hashed_and_private(guarded: RunningDesk) -> None:
    path = guarded.settings.web_dir / "accounts"
    text = path.read_text()
    assert PASSWORD not in text
    assert text.count("$argon2id$") == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((guarded.settings.web_dir / "session.key").stat().st_mode) == 0o600
