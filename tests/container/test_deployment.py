"""`docker compose up`, and what a returns team does with it."""

import json
import os
import re
import stat

import requests

from handler.contract import Contract
from tests.container.deployment import EVERY_MINUTE, NIGHTLY, OWNER, SERVICES, Deployment, wait_for
from tests.support.documents import commands, page, section
from tests.support.drawn_photos import SAMPLES, encoded, heic, mosaic


def test_the_commands_of_the_docs_classify_and_show(deployment: Deployment) -> None:
    first = commands(section(page("deployment"), "Docker Compose").partition("```\n")[0])
    assert first[0] == "docker compose up --build --wait", "that one the fixture ran"
    assert len(first) >= 4
    outputs = [deployment.shell(command) for command in first[1:]]
    assert "predicted_class" in json.loads(outputs[0])
    samples = len(list(SAMPLES.glob("*.jpg")))
    assert any(f"{samples} + known 0 + failed 0 + left 0" in output for output in outputs)
    assert f'"classified": {samples}' in outputs[-1], "a run by hand, too, is in the log of the container"
    assert f'"classified": {samples}' in (deployment.folder / "logs" / "batch.log").read_text()


def test_a_tick_classifies_what_lies_in_the_inbox(deployment: Deployment) -> None:
    deployment.put("tick.jpg", encoded(mosaic((300, 400), 11)))
    deployment.put("phone.heic", heic(mosaic((300, 400), 12)))
    deployment.schedule(EVERY_MINUTE)
    wanted = "SELECT count(*) FROM predictions WHERE filename IN ('tick.jpg', 'phone.heic')"
    wait_for(lambda: deployment.query(wanted) == [[2]], "a tick")
    log = (deployment.folder / "logs" / "batch.log").read_text()
    assert all(json.loads(line)["level"] for line in log.splitlines()), "LOG_FORMAT reached the client"
    printed = [line.partition("{")[2] for line in deployment.logs("batch").splitlines() if '"classified": 2' in line]
    assert printed, "the lines of the file go to stdout too"
    assert all(line.partition("{")[2] in log for line in printed)
    due = deployment.run("batch", "batch-client", "schedule", "--next", "1")
    assert re.search(r"\+0[12]:00", due), "TZ reached the client"
    deployment.schedule(NIGHTLY)


def test_the_desk_demands_a_password_that_only_its_owner_can_read(deployment: Deployment, contract: Contract) -> None:
    url = deployment.url("web")
    assert requests.get(f"{url}/review", headers={"Accept": "text/html"}, timeout=30).url.startswith(f"{url}/login")
    path = deployment.folder / "accounts" / "admin-password"
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    photo = {"file": (SAMPLES / "jeans.jpg").read_bytes()}
    assert requests.post(f"{url}/predict/", files=photo, timeout=60).status_code == 401
    with requests.Session() as session:

        def submit(page: str, path: str, **fields: str) -> None:
            csrf = re.search(r'name="csrf" value="([^"]+)"', session.get(f"{url}{page}", timeout=30).text)
            assert csrf
            session.post(f"{url}{path}", data={"csrf": csrf[1], **fields}, timeout=30)

        first, own = path.read_text().strip(), "four words of my own"
        submit("/login", "/login", name="admin", password=first)
        assert session.get(f"{url}/review", headers={"Accept": "text/html"}, timeout=30).url.endswith("/account")
        submit("/account", "/account/password", current=first, new=own, repeated=own)
        assert session.get(f"{url}/review", timeout=30).status_code == 200
        answer = session.post(f"{url}/predict/", files=photo, timeout=60)
        assert answer.json()["predicted_class"] in contract.classes


def test_photos_move_out_of_the_inbox_where_it_is_writable(deployment: Deployment) -> None:
    os.chown(deployment.folder / "inbox", OWNER, OWNER)
    settings = {"PROCESSED": "move", "INBOX_MODE": "rw"}
    with deployment.other_settings("batch", settings):
        deployment.put("moved.jpg", encoded(mosaic((240, 320), 13)))
        deployment.run("batch", "batch-client", "run")
        assert not (deployment.folder / "inbox" / "moved.jpg").exists()
        assert [path.name for path in (deployment.folder / "data" / "processed").rglob("moved.jpg")]


def test_health_checks_notice_a_model_that_does_not_answer(deployment: Deployment) -> None:
    """Without a worker TorchServe goes on to call itself healthy; none of our three checks does."""
    checks = {service: deployment.inspect(service)["Config"]["Healthcheck"]["Test"][1:] for service in SERVICES}
    for service, check in checks.items():
        deployment.run(service, *check)
    manage = ("server", "python3", "-m", "serving", "manage")
    scale = "/models/refund_classifier?min_worker={0}&max_worker={0}"  # asked to wait, the engine at times answers 500
    deployment.run(*manage, "PUT", scale.format(0))
    try:
        described = (*manage, "GET", "/models/refund_classifier")
        wait_for(lambda: json.loads(deployment.run(*described))[0]["workers"] == [], "the worker to be gone")
        headers = {"Authorization": f"Bearer {deployment.token}"}
        ping = requests.get(f"{deployment.url('server')}/ping", headers=headers, timeout=30)
        assert ping.json() == {"status": "Healthy"}
        # The desk remembers for some seconds what it was told last.
        wait_for(
            lambda: not any(deployment.succeeds(service, *check) for service, check in checks.items()),
            "all three to notice",
            seconds=60,
        )
    finally:
        deployment.run(*manage, "PUT", scale.format(1))
    wait_for(lambda: all(deployment.succeeds(service, *checks[service]) for service in SERVICES), "the model again")
