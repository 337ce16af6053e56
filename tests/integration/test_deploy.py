"""The files of `deploy/`, as Prometheus itself judges them."""

import itertools
import json
import subprocess
from pathlib import Path

import yaml

from tests.conftest import ROOT
from tests.support.monitoring import DEPLOY, promtool, queries

RULE_TESTS = ROOT / "tests" / "integration" / "alert_rules_test.yml"


def run(*arguments: str | Path) -> None:
    done = subprocess.run([promtool(), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_accepts_the_scrape_file_and_its_rules() -> None:
    run("check", "config", DEPLOY / "prometheus.yml")


def test_alerts_fire_when_they_should_and_only_then() -> None:
    run("test", "rules", RULE_TESTS)


def test_every_alert_is_tried_both_ways() -> None:
    tests = yaml.safe_load(RULE_TESTS.read_text(encoding="utf-8"))["tests"]
    tried = [trial for test in tests for trial in test["alert_rule_test"]]
    fires = {trial["alertname"] for trial in tried if trial["exp_alerts"]}
    silent = {trial["alertname"] for trial in tried if not trial["exp_alerts"]}
    groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    assert fires == silent == {rule["alert"] for group in groups for rule in group["rules"]}


def test_prometheus_accepts_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"query:{index}", "expr": query} for index, query in enumerate(queries().values())]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    run("check", "rules", tmp_path / "queries.yml")


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        columns = range(place["x"], place["x"] + place["w"])
        cells = set(itertools.product(columns, range(place["y"], place["y"] + place["h"])))
        assert max(columns) < 24
        assert not taken & cells
        taken |= cells
