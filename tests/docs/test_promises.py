"""What the documents promise about security and alerts exists: the tests they name, the paths they name."""

import re

import yaml

from tests.support.documents import ROOT, page, section

SECURITY = ROOT / "SECURITY.md"


def test_every_promise_names_a_test_that_exists() -> None:
    rows = [
        line
        for line in section(page("security"), "What is promised, and which test holds it").splitlines()
        if line.startswith("| ") and not line.startswith("| promise")
    ]
    assert len(rows) >= 20
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(?:\w+::)?(\w+)`", row)
        assert named, f"no test is named in {row}"
        for path, name in named:
            source = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"^ *(async )?def {name}\(", source, re.MULTILINE), f"{path} has no {name}"


def test_every_path_in_the_architecture_exists() -> None:
    named = set(re.findall(r"`([\w/-]+(?:/|\.py|\.json|\.yaml|\.toml|\.md))`", page("architecture")))
    assert {"handler/", "results/photos.py", "tests/unit/test_rooms.py"} <= named
    assert {path for path in named if "/" in path and not (ROOT / path).exists()} == set()


def test_every_room_is_in_the_architecture() -> None:
    listed = set(re.findall(r"^\| `([\w]+)/` \|", section(page("architecture"), "Rooms"), re.MULTILINE))
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms <= listed


def test_every_alert_is_in_the_docs() -> None:
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    listed = set(re.findall(r"^\| `(Refund\w+)` \|", page("monitoring"), re.MULTILINE))
    assert listed == alerts


def test_the_security_policy_quotes_the_versions_that_are_installed() -> None:
    policy = SECURITY.read_text(encoding="utf-8")
    locked = (ROOT / "requirements" / "serving.txt").read_text(encoding="utf-8")
    version = re.search(r"^torchserve==(\S+)", locked, re.MULTILINE)
    assert version
    assert f"| TorchServe | {version[1]} |" in policy
