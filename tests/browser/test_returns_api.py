"""``/api/v1/returns`` as the shop's system uses it: pages, one return, decisions, and tokens."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import requests

from tests.support.running_desk import RunningDesk
from tests.support.stored_runs import answer, failure, night
from web.auth.api_tokens import ApiTokens


class Shop:
    """The shop's system with a token."""

    def __init__(self, desk: RunningDesk, role: Any = "reviewer") -> None:
        self.url = f"{desk.url}/api/v1/returns"
        self.headers = {"Authorization": f"Bearer {ApiTokens(desk.settings.web_dir).add(f'shop-{role}', role)}"}

    def get(self, path: str = "", **query: Any) -> requests.Response:
        return requests.get(self.url + path, params=query, headers=self.headers, timeout=30)

    def decide(self, return_id: str, **body: Any) -> requests.Response:
        return requests.post(f"{self.url}/{return_id}/decision", json=body, headers=self.headers, timeout=30)


@pytest.fixture
def filled(desk: RunningDesk) -> RunningDesk:
    database = desk.database
    mismatch = replace(answer("2.jpg", "22", "R/2 ä"), expected_category="Heels", decision="review", reason="mismatch")
    mismatch = replace(mismatch, match_probability=0.001, match_verdict="mismatch")
    night(database, answer("1.jpg", "11", "R-1"), mismatch, failure("3.txt", "33", "R-3"), answer("4.jpg", "44"))
    database.close()
    return desk


def test_all_pages_together_are_all_returns(filled: RunningDesk) -> None:
    shop = Shop(filled, "viewer")
    found: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        page = shop.get(limit=1, **after).json()
        found += page["returns"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert sorted(str(row["return_id"]) for row in found) == ["None", "R-1", "R-3", "R/2 ä"]
    assert [row["return_id"] for row in shop.get(state="open", since="2020-01-01T00:00:00Z").json()["returns"]] != []
    assert shop.get(since=found[-1]["changed_at"]).json() == {"returns": [], "next": None}


def test_one_return_by_its_id_whatever_signs_it_holds(filled: RunningDesk) -> None:
    found = Shop(filled).get("/R%2F2 ä").json()
    assert (found["final_decision"], found["reason"], found["mismatches"]) == ("open", "mismatch", 1)
    assert [(photo["filename"], photo["match_verdict"]) for photo in found["items"]] == [("2.jpg", "mismatch")]


def test_a_photo_without_a_return_has_a_key(filled: RunningDesk) -> None:
    shop = Shop(filled)
    key = next(row["return_key"] for row in shop.get().json()["returns"] if row["return_id"] is None)
    assert [photo["filename"] for photo in shop.get(f"/{key}").json()["items"]] == ["4.jpg"]


def test_a_decision_is_stored_under_the_tokens_name_and_can_be_taken_back(filled: RunningDesk) -> None:
    shop = Shop(filled)
    held = shop.decide("R-1", decision="hold", reason="damaged", note="sole is torn").json()
    assert (held["final_decision"], held["decided_by"]) == ("hold", "api:shop-reviewer")
    assert shop.decide("R-1", decision="undo").json()["decided_by"] == "model"
    refused = shop.decide("R-1", decision="undo")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "cannot_undo")


def test_a_return_that_changed_meanwhile_is_not_decided(filled: RunningDesk) -> None:
    shop = Shop(filled)
    seen = shop.get("/R-3").json()["changed_at"]
    database = filled.database
    night(database, failure("5.txt", "55", "R-3"))
    database.close()
    refused = shop.decide("R-3", decision="cleared", seen_at=seen)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "return_changed")
    assert refused.json()["error"]["present"]["failed"] == 2


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/R-9", {}, 404, "no_such_return"),
        ("/p:999", {}, 404, "no_such_return"),
        ("", {"after": "nonsense"}, 422, "invalid_request"),
        ("", {"state": "maybe"}, 422, "invalid_request"),
        ("", {"limit": 501}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_answered(filled: RunningDesk, path: str, query: dict[str, Any], status: int, code: str) -> None:
    answered = Shop(filled).get(path, **query)
    assert (answered.status_code, answered.json()["error"]["code"]) == (status, code)


def test_a_hold_needs_a_reason(filled: RunningDesk) -> None:
    refused = Shop(filled).decide("R-1", decision="hold")
    assert refused.status_code == 422
    assert "not_what_was_ordered" in refused.json()["error"]["message"]


class TestTokens:
    def test_without_a_token_nothing_is_told(self, filled: RunningDesk) -> None:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic cm9ib3Q6eA=="}):
            answered = requests.get(f"{filled.url}/api/v1/returns", headers=headers, timeout=30)
            assert (answered.status_code, answered.json()["error"]["code"]) == (401, "token_required")

    def test_a_viewers_token_cannot_decide(self, filled: RunningDesk) -> None:
        refused = Shop(filled, "viewer").decide("R-1", decision="cleared")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")

    def test_the_program_adds_lists_and_removes_them(self, filled: RunningDesk) -> None:
        environment = {"WEB_DIR": str(filled.settings.web_dir), "PATH": "/usr/bin:/bin"}

        def web(*arguments: str) -> tuple[int, str]:
            command = [sys.executable, "-m", "web", *arguments]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            return done.returncode, (done.stdout + done.stderr).strip()

        code, token = web("add-token", "erp", "--role", "viewer")
        assert code == 0
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{filled.url}/api/v1/returns"
        assert requests.get(url, headers=headers, timeout=30).status_code == 200
        assert web("list-tokens") == (0, "erp viewer")
        assert token not in ApiTokens(filled.settings.web_dir).path.read_text()
        assert "there is a token erp already" in web("add-token", "erp")[1]
        assert web("remove-token", "erp") == (0, "removed erp")
        assert requests.get(url, headers=headers, timeout=30).status_code == 401
        assert ApiTokens(filled.settings.web_dir).path.stat().st_mode & 0o777 == 0o600
