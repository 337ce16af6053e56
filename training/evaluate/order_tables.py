"""The tables of the order check."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_PAIRS = 12
_ROWS = {
    "photos with one accepted category": "right_n",
    "  right claim: match": "right_match",
    "  right claim: called mismatch": "right_mismatch",
    "photos of the 27 categories": "any_n",
    "  claim of all accepted: match": "any_match",
    "  wrong claim: passes as match": "wrong_match",
    "  wrong claim: called mismatch": "wrong_mismatch",
    "items outside the 27": "unknown_n",
    "  any claim: passes as match": "unknown_match",
    "  any claim: called mismatch": "unknown_mismatch",
}


def show(console: Console, report: dict[str, Any]) -> None:
    """Print the figures of all groups side by side, then of each its categories and its look-alike pairs.

    Args:
        console: to print on.
        report: ``match_threshold``, ``mismatch_threshold`` and ``groups``.
    """
    thresholds = f"match from {report['match_threshold']:g}, mismatch below {report['mismatch_threshold']:g}"
    table = _table(f"order check ({thresholds}), with one standard error", "", *report["groups"])
    for label, name in _ROWS.items():
        table.add_row(label, *(_cell(group, name) for group in report["groups"].values()))
    console.print(table)
    for name, group in report["groups"].items():
        if group["any_n"]:
            console.print(_categories(name, group["by_category"]))
            console.print(_pairs(name, group["look_alikes"]))


def _cell(group: dict[str, Any], name: str) -> str:
    if name.endswith("_n"):
        return str(group[name])
    if group[name] is None:
        return "-"
    return f"{group[name] * 100:.2f}% ± {group[f'{name}_error'] * 100:.2f}"


def _categories(group: str, rows: list[dict[str, Any]]) -> Table:
    headings = ("ordered", "photos", "right: match", "right: mismatch", "others that pass")
    table = _table(f"{group}: order check by category", *headings)
    for row in rows:
        shares = (_percent(row[name]) for name in ("right_match", "right_mismatch", "wrong_match"))
        table.add_row(row["category"], str(row["photos"]), *shares)
    return table


def _pairs(group: str, pairs: list[dict[str, Any]]) -> Table:
    table = _table(f"{group}: pairs that the model cannot tell apart", "shown", "ordered", "photos", "pass")
    for pair in pairs[:_PAIRS]:
        table.add_row(pair["shown"], pair["ordered"], str(pair["photos"]), _percent(pair["passed"]))
    return table


def _table(title: str, first: str, *headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=escape(title), title_justify="left")
    table.add_column(first)
    for heading in headings:
        table.add_column(escape(heading), justify="left" if heading == "ordered" else "right")
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.1f}%"
