"""Sixty drawn returns, from the folder to the shop's system: client, results, webhook and API say what is right."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from results.database import Database
from results.verify import verify
from tests.conftest import ROOT
from tests.serving.conftest import ServiceUnderTest
from tests.support.drawn_night import CATEGORY_MAP, DrawnNight, draw_night, right_rows, write, write_manifest
from tests.support.running_desk import served
from tests.support.shop_receiver import Receiver, shop_receiver
from web.auth.api_tokens import ApiTokens
from web.settings import WebSettings

SECRET = "shared with the shop"


class Team:
    """A returns team: its inbox, its results, and the shop's system."""

    def __init__(self, folder: Path, service: ServiceUnderTest, receiver: Receiver) -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self.results = folder / "results.db"
        self.receiver = receiver
        (folder / "words.csv").write_text(CATEGORY_MAP, encoding="utf-8")
        self.environment = {
            **service.environment,
            **{f"{name}_DIR": str(folder / name.lower()) for name in ("QUARANTINE", "MEDIA", "LOG", "REPORT")},
            "RESULTS_DB": str(self.results),
            "CATEGORY_MAP": str(folder / "words.csv"),
            "AUDIT_SHARE": "0",
            "RETURNS_WEBHOOK_URL": receiver.url,
            "RETURNS_WEBHOOK_SECRET": SECRET,
        }

    def batch_client(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        command = [sys.executable, "-m", "batch_client", *arguments, "--json"]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    def returns(self) -> list[dict[str, Any]]:
        """Return the view ``returns``, sorted by return id."""
        database = Database(str(self.results))
        with database.reading() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM returns").mappings().all()
            assert verify(connection) == []
        database.close()
        return sorted((dict(row) for row in rows), key=lambda row: str(row["return_id"]))


@pytest.fixture(scope="module")
def night() -> DrawnNight:
    return draw_night()


@pytest.fixture
def team(tmp_path: Path, service: ServiceUnderTest) -> Iterator[Team]:
    with shop_receiver() as receiver:
        yield Team(tmp_path, service, receiver)


def columns(rows: list[dict[str, Any]], right: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the columns that the right rows have."""
    return [{name: row[name] for name in right[0]} for row in rows]


def told(receiver: Receiver) -> dict[str, str]:
    """Return what the shop's system knows of each return, by its key."""
    known: dict[str, str] = {}
    for event in receiver.events(SECRET):
        assert event["event"] == ("return.reopened" if event["final_decision"] == "open" else "return.decided")
        known[event["return_key"]] = event["final_decision"]
    return known


def test_what_becomes_of_each_return_is_right(service: ServiceUnderTest, team: Team, night: DrawnNight) -> None:
    classes = tuple(service.post(b'{"describe": true}', "application/json").json()["classes"])

    def ask(photo: bytes, expected: tuple[str, ...]) -> tuple[int, Mapping[str, Any]]:
        order = {"X-Expected-Category": ", ".join(expected)} if expected else {}
        answer = service.post(photo, "application/octet-stream", **order)
        return answer.status_code, answer.json()

    right = right_rows([*night.before, *night.returns], ask, classes)
    assert {row["final_decision"] for row in right} == {"cleared", "open"}
    assert {row["reason"] for row in right} >= {None, "mismatch", "repeat", "failed_photo"}

    # The night before, then the night; the lines of some returns come when their photos are known.
    write(team.folder / "before", night.before)
    write_manifest(team.folder / "before", night.before)
    assert team.batch_client("run", str(team.folder / "before"))[0] == 0
    write(team.inbox, night.returns)
    early = [drawn for drawn in night.returns if not drawn.is_late]
    write_manifest(team.inbox, early)
    code, report = team.batch_client("run", str(team.inbox))
    photos = sum(len(drawn.photos) for drawn in night.returns)
    unusable = sum(row["failed"] for row in right)
    assert (code, report["found"], report["classified"], report["failed"]) == (4, photos, photos - unusable, unusable)
    assert any("'Umhang' is none of the categories" in problem for problem in report["manifest_problems"])
    by_id = {row["return_id"]: row for row in right}
    of_early = [by_id[drawn.return_id] for drawn in [*night.before, *early]]
    stored = [row for row in team.returns() if row["return_id"] is not None]
    assert columns(stored, right) == of_early

    write_manifest(team.inbox, night.returns)
    code, report = team.batch_client("run", str(team.inbox))
    assert (code, report["known"], report["classified"]) == (0, photos, 0), "no photo is sent again"
    assert columns(team.returns(), right) == right

    # The shop's system knows each decision; of a return that it heard nothing of, there is none.
    known = told(team.receiver)
    assert {row["return_id"]: known.get(f"r:{row['return_id']}", "open") for row in right} == {
        row["return_id"]: row["final_decision"] for row in right
    }
    assert {state for key, state in known.items() if key.startswith("p:")} == {"open"}, "they belong to returns by now"
    _check_the_api(team, right)


def _check_the_api(team: Team, right: list[dict[str, Any]]) -> None:
    """Read all returns through the API, let people decide two of them, and undo one decision."""
    settings = WebSettings(
        results_db=str(team.results),
        media_dir=team.folder / "media",
        web_dir=team.folder / "web",
        returns_webhook_url=team.receiver.url,
    )
    token = ApiTokens(settings.web_dir).add("shop", "reviewer")
    with served(settings) as url, requests.Session() as shop:
        shop.trust_env = False
        shop.headers["Authorization"] = f"Bearer {token}"
        listed: list[dict[str, Any]] = []
        query: dict[str, Any] | None = {"limit": 25}
        while query is not None:
            page = shop.get(f"{url}/api/v1/returns", params=query, timeout=60).json()
            listed += page["returns"]
            query = {"limit": 25, "after": page["next"]} if page["next"] else None
        listed.sort(key=lambda row: str(row["return_id"]))
        assert columns(listed, right) == right

        wrong = next(row["return_id"] for row in right if row["reason"] == "mismatch")
        copied = next(row["return_id"] for row in right if row["reason"] == "repeat")
        items = shop.get(f"{url}/api/v1/returns/{copied}", timeout=60).json()["items"]
        assert sum(item["finding"] == "repeat" for item in items) == 1
        hold = {"decision": "hold", "reason": "not_what_was_ordered", "note": "another item"}
        for return_id, decision in ((wrong, hold), (copied, {"decision": "cleared"}), (copied, {"decision": "undo"})):
            answer = shop.post(f"{url}/api/v1/returns/{return_id}/decision", json=decision, timeout=60)
            assert answer.status_code == 200, answer.text
    assert team.batch_client("deliver")[0] == 0
    states = {row["return_id"]: (row["final_decision"], row["decided_by"]) for row in team.returns()}
    assert (states[wrong], states[copied]) == (("hold", "api:shop"), ("open", None))
    known = told(team.receiver)
    assert (known[f"r:{wrong}"], known[f"r:{copied}"]) == ("hold", "open")
