"""``python -m web`` as it is started: by a person, and in a container."""

import csv
import os
import re
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from results.database import Database
from tests.browser.conftest import PASSWORD, RunningDesk
from tests.browser.test_desk_api import claim, verdict
from tests.conftest import ROOT
from training.data import layouts


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
            assert process.poll() is None and time.monotonic() < deadline, "it did not start"
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
        assert answer.status_code == 303
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=60)
    assert f"its password is in {path}" in output
    assert path.read_text().strip() not in output


def test_accounts_are_added_by_command(tmp_path: Path) -> None:
    added = web(tmp_path, "add-user", "ada", "--role", "admin", entered=f"{PASSWORD}\n")
    assert added.returncode == 0 and "ada is admin" in added.stdout
    assert (tmp_path / "web" / "accounts").read_text().startswith("ada:admin:$argon2id$")
    for name, password, problem in (("a:b", PASSWORD, "no name for an account"), ("ben", "short", "at least 10")):
        refused = web(tmp_path, "add-user", name, entered=f"{password}\n")
        assert (refused.returncode, problem in refused.stderr) == (2, True)


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
    assert done.returncode == 0 and "3 photos in" in done.stdout, done.stderr
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
    assert {(row.key, row.kind) for row in read.rows} == {(row["file"], row["label"]) for row in rows}
    again = web(desk.folder, "export-training", str(desk.folder / "out"))
    assert (again.returncode, "not empty" in again.stderr) == (2, True)


def test_results_of_a_newer_version_end_the_start_with_a_sentence(tmp_path: Path) -> None:
    Database(str(tmp_path / "results.db")).close()
    database = Database(str(tmp_path / "results.db"))
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    done = web(tmp_path, "serve")
    assert (done.returncode, "cannot be opened" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
