"""``python -m web`` as it is started: by a person, and in a container."""

import contextlib
import csv
import json
import os
import re
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from results.database import Database
from tests.browser.requests_of_the_desk import claim, verdict
from tests.conftest import ROOT
from tests.support.running_desk import PASSWORD, RunningDesk
from training.data import layouts
from web.auth.accounts import Accounts


def environment(folder: Path, **more: str) -> dict[str, str]:
    own = {
        "RESULTS_DB": str(folder / "results.db"),
        "WEB_DIR": str(folder / "web"),
        "MEDIA_DIR": str(folder / "media"),
        "TORCHSERVE_TOKEN_FILE": str(folder / "key"),
    }
    return {**os.environ, **own, **more}


def web(folder: Path, *arguments: str, entered: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "web", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(folder, **more), input=entered, capture_output=True, text=True
    )


def test_the_first_start_in_a_container_creates_an_admin(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "web", "serve"]
    settings = environment(tmp_path, WEB_HOST="0.0.0.0", WEB_PORT=str(port))
    process = subprocess.Popen(
        command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, "it did not start"
            assert time.monotonic() < deadline, "it did not start"
            try:
                page = requests.get(f"http://127.0.0.1:{port}/review", headers={"Accept": "text/html"}, timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        assert "<h1>Log in</h1>" in page.text
        path = tmp_path / "web" / "admin-password"
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
        session = requests.Session()
        token = re.findall(
            r'name="csrf" value="([^"]+)"', session.get(f"http://127.0.0.1:{port}/login", timeout=30).text
        )[0]
        form = {"csrf": token, "name": "admin", "password": path.read_text().strip()}
        answer = session.post(f"http://127.0.0.1:{port}/login", data=form, allow_redirects=False, timeout=30)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
        assert stat.S_IMODE((tmp_path / "web").stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "web").iterdir()} == {0o400, 0o600}
        assert stat.S_IMODE((tmp_path / "results.db").stat().st_mode) == 0o600
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=60)
    assert f"the password is in {path}" in output
    assert path.read_text().strip() not in output


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_one_sentence_that_names_the_setting(tmp_path: Path, taken_port: int) -> None:
    done = web(tmp_path, "serve", WEB_PORT=str(taken_port))
    assert done.returncode == 2
    sentence = (
        f"web: port {taken_port} on 127.0.0.1 is in use by another program; stop it, or set WEB_PORT to another port"
    )
    assert done.stderr.splitlines() == [sentence]


def test_the_version_is_printed(tmp_path: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert web(tmp_path, "--version").stdout == f"refund-classifier {version}\n"


@contextmanager
def serving(folder: Path, *options: str, **more: str) -> Iterator[tuple[str, Path]]:
    """Run ``python -m web serve`` and give its address and the file with what it writes to stderr."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    written = folder / "stderr"
    with written.open("w") as stderr:
        command = [sys.executable, "-m", "web", "serve", *options]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(folder, WEB_PORT=str(port), **more), stderr=stderr
        )
        try:
            wait_for(lambda: process.poll() is None and answers(f"http://127.0.0.1:{port}"), "the desk")
            yield f"http://127.0.0.1:{port}", written
        finally:
            process.terminate()
            process.wait(60)


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/static/page.js", timeout=5).status_code == 200
    except (requests.ConnectionError, requests.Timeout):  # nothing listens yet, or nobody accepts yet
        return False


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def test_the_log_has_time_and_level_and_no_line_of_a_stranger(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, written):
        requests.get(f"{url}/nowhere%0A2026-01-01T00:00:00+0000%20ERROR%20x", timeout=30)
    lines = written.read_text().splitlines()
    assert [line for line in lines if not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+\d{4} [A-Z]+ +\S", line)] == []
    assert not any(line.startswith("2026-01-01") for line in lines)
    assert any('"GET /nowhere' in line and line.endswith("404") for line in lines)


def test_the_log_is_json_where_that_is_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path, LOG_FORMAT="json") as (url, written):
        with contextlib.closing(sqlite3.connect(tmp_path / "results.db")) as connection:
            connection.execute("DROP TABLE runs")
        assert requests.get(f"{url}/runs.csv", timeout=30).json()["error"]["code"] == "results_away"
    entries = [json.loads(line) for line in written.read_text().splitlines()]
    assert all({"time", "level", "logger", "message"} <= entry.keys() for entry in entries)
    (fault,) = [entry for entry in entries if entry["level"] == "ERROR"]
    assert fault["logger"] == "web.http.error_handlers"
    assert "/runs.csv" in fault["message"]


def test_development_restarts_the_desk_when_a_file_changes(tmp_path: Path) -> None:
    source = ROOT / "web" / "__init__.py"
    with serving(tmp_path, "--reload") as (url, written):
        os.utime(source)
        wait_for(lambda: "Reloading" in written.read_text(), "the restart")
        wait_for(lambda: answers(url), "the desk to be back")
        wait_for(lambda: written.read_text().count("Application startup complete") == 2, "the new process")


def test_accounts_are_added_by_command(tmp_path: Path) -> None:
    added = web(tmp_path, "add-user", "ada", "--role", "admin", entered=f"{PASSWORD}\n")
    assert added.returncode == 0
    assert "ada is admin" in added.stdout
    assert (tmp_path / "web" / "accounts").read_text().startswith("ada:admin:$argon2id$")
    for name, password, problem in (("a:b", PASSWORD, "not a name for an account"), ("ben", "short", "12 to 1,000")):
        refused = web(tmp_path, "add-user", name, entered=f"{password}\n")
        assert (refused.returncode, problem in refused.stderr) == (2, True)


def test_accounts_are_listed_and_removed_by_command(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "web")
    accounts.add("ada", "admin", PASSWORD)
    accounts.create("rob", "viewer")
    listed = web(tmp_path, "list-users")
    assert listed.stdout.splitlines() == ["ada admin", "rob viewer  must change the password"]
    assert web(tmp_path, "remove-user", "rob").returncode == 0
    assert list(accounts.all()) == ["ada"]
    for name, problem in (("rob", "no account rob"), ("ada", "last admin")):
        refused = web(tmp_path, "remove-user", name)
        assert (refused.returncode, problem in refused.stderr) == (2, True), refused.stderr


def test_a_password_from_a_windows_pipe_is_the_one_that_was_typed(tmp_path: Path) -> None:
    added = web(tmp_path, "add-user", "ada", entered=f"{PASSWORD}\r\n")
    assert added.returncode == 0
    assert Accounts(tmp_path / "web").check("ada", PASSWORD) is not None


def test_a_desk_that_had_accounts_and_finds_none_does_not_start(tmp_path: Path) -> None:
    assert web(tmp_path, "add-user", "ada", entered=f"{PASSWORD}\n").returncode == 0
    (tmp_path / "web" / "accounts").unlink()
    for host in ("127.0.0.1", "0.0.0.0"):
        done = web(tmp_path, "serve", WEB_HOST=host, WEB_PORT="0")
        assert (done.returncode, "had accounts" in done.stderr) == (2, True)
    assert not (tmp_path / "web" / "admin-password").exists()


def test_logins_are_listed_and_ended_by_command(start_desk: Callable[..., RunningDesk]) -> None:
    desk = start_desk()
    desk.add_account("ada")
    session = desk.session("ada")
    listed = web(desk.folder, "sessions")
    assert listed.returncode == 0
    assert listed.stdout.startswith("ada ")
    assert "127.0.0.1" in listed.stdout
    assert "ended 1 logins of ada" in web(desk.folder, "sessions", "--end", "ada").stdout
    assert session.page("/review").status_code == 303


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"WEB_PORT": "many"}, "WEB_PORT"),
        ({"WEB_PROXY_ROLE": "king"}, "WEB_PROXY_ROLE"),
        ({"WEB_CLAIM_S": "1"}, "WEB_CLAIM_S"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, more: dict[str, str], problem: str) -> None:
    done = web(tmp_path, "serve", **more)
    assert (done.returncode, problem in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_what_people_decided_is_exported_to_train_on(desk: RunningDesk) -> None:
    desk.add_night(5)
    session = desk.session()
    photos = {photo["predicted_class"]: photo for photo in claim(session, 5)["photos"]}
    for name, more in (("Belts", {}), ("Handbags", {"category": "Wallets"}), ("Dresses", {"kind": "not_ours"})):
        body = {"category": None, **more} if "kind" in more else more
        assert verdict(session, photos[name], **body).status_code == 200
    assert verdict(session, photos["Backpacks"], kind="unusable", category=None).status_code == 200
    done = web(desk.folder, "export-training", str(desk.folder / "out"))
    assert done.returncode == 0, done.stderr
    assert "3 photos in" in done.stdout, done.stderr
    with (desk.folder / "out" / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {"Belts", "Wallets", "unknown"}
    suspicions = [float(row["suspicion"]) for row in rows]
    assert suspicions == sorted(suspicions, reverse=True)
    assert rows[0]["label"] == "Wallets"  # which the model hardly thought of
    for row in rows:
        copy = desk.folder / "out" / row["file"]
        assert copy.read_bytes() == (desk.folder / "media" / row["sha256"][:2] / f"{row['sha256']}.jpg").read_bytes()
    read = layouts.to_train(desk.folder / "out")  # what `make train DATA=FOLDER` calls
    assert {(sample.key, sample.source_label) for sample in read.samples} == {
        (row["file"], row["label"]) for row in rows
    }
    again = web(desk.folder, "export-training", str(desk.folder / "out"))
    assert (again.returncode, "not empty" in again.stderr) == (2, True)


def test_results_of_a_newer_version_end_the_start_with_a_sentence(tmp_path: Path) -> None:
    Database(str(tmp_path / "results.db")).close()
    database = Database(str(tmp_path / "results.db"))
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    done = web(tmp_path, "serve")
    assert (done.returncode, "have schema version 9999" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
