"""What an evaluation prints and writes: the figures by the data set's labels, and by reviewed labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from training.data.csv_files import read_labels
from training.evaluate import accept_thresholds, order_check, order_tables, tables
from training.evaluate.outcomes import Outcome, by_group, figures_of, judged_of
from training.evaluate.reviewed import relabelled, worst_mistakes


def by_reviewed_labels(
    outcomes: Sequence[Outcome], labels: Path, contract: dict[str, Any]
) -> tuple[list[Outcome], dict[str, Any]]:
    """Return the outcomes under reviewed labels, and the report on them.

    The report has ``labels``, ``undecidable`` (photos that are left out because nobody can judge them), ``groups``,
    ``accept_thresholds``, ``order_check`` and ``worst_mistakes``.

    Raises:
        FileNotFoundError, ValueError: the labels cannot be read, or belong to none of the photos.
    """
    judged = relabelled(outcomes, read_labels(labels), str(labels))
    figures = {
        group: {**figures_of(members), "top1_lost_by_serving": None} for group, members in by_group(judged).items()
    }
    return judged, {
        "labels": str(labels),
        "undecidable": len(outcomes) - len(judged),
        "groups": figures,
        "accept_thresholds": accept_report(judged),
        "order_check": order_report(judged, contract),
        "worst_mistakes": worst_mistakes(judged),
    }


def accept_report(outcomes: Sequence[Outcome]) -> dict[str, list[dict[str, Any]]]:
    """Return by group what other accept thresholds would give."""
    return {group: accept_thresholds.by_threshold(members) for group, members in by_group(outcomes).items()}


def order_report(outcomes: Sequence[Outcome], contract: dict[str, Any]) -> dict[str, Any] | None:
    """Return the report of the order check; None if the archive has none."""
    match, mismatch = contract.get("match_threshold"), contract.get("mismatch_threshold")
    if match is None or mismatch is None or any(outcome.probabilities is None for outcome in outcomes):
        return None
    groups = {name: judged_of(members) for name, members in by_group(outcomes).items()}
    return {
        "match_threshold": match,
        "mismatch_threshold": mismatch,
        "groups": {
            name: {
                **order_check.figures_of(judged, match, mismatch),
                "by_category": order_check.by_category(judged, match, mismatch),
                "look_alikes": order_check.look_alikes(judged, match),
            }
            for name, judged in groups.items()
        },
    }


def show(outcomes: Sequence[Outcome], report: dict[str, Any]) -> None:
    """Print the tables of a report.

    Args:
        outcomes: that the report is on.
        report: with ``groups``, ``accept_thresholds`` and ``order_check``; that of reviewed labels also has
            ``labels``, ``undecidable`` and ``worst_mistakes``.
    """
    console = Console(width=tables.width_for(len(report["groups"])))
    if "labels" in report:
        console.print(f"by the labels of {report['labels']}; {report['undecidable']} photos left out as undecidable\n")
    tables.show(console, outcomes, report["groups"])
    for group, rows in report["accept_thresholds"].items():
        console.print(tables.accept_table(group, rows))
    if report["order_check"] is not None:
        order_tables.show(console, report["order_check"])
    if "worst_mistakes" in report:
        console.print(tables.mistakes_table(report["worst_mistakes"]))
