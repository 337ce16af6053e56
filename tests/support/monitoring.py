"""What `deploy/` asks Prometheus: the queries of the dashboard and of the alerts, and what they need."""

import json
import shutil

import promql_parser
import pytest
import yaml

from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
# Prometheus adds these to everything it scrapes.
SCRAPE_LABELS = {"job", "instance"}


def queries() -> dict[str, str]:
    """Return each query of alerts and dashboard, by the name of its alert or panel."""
    alerts = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
    found = {rule["alert"]: rule["expr"] for group in alerts["groups"] for rule in group["rules"]}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            # Grafana fills these in.
            query = target["expr"].replace("$__rate_interval", "5m").replace("$__range", "1d")
            found[f"{panel['title']} {target['refId']}"] = query
    return found


def needs(query: str) -> tuple[set[str], set[str]]:
    """Return the metrics and the labels that a query names."""
    metrics: set[str] = set()
    labels: set[str] = set()

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql_parser.VectorSelector):
            metrics.update(filter(None, [node.name]))
            labels.update(matcher.name for matcher in node.matchers.matchers)
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            labels.update(node.modifier.labels)

    promql_parser.walk(promql_parser.parse(query), visit)
    return metrics, labels


def promtool() -> str:
    """Return the program that checks Prometheus's files; without it, skip."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return program
