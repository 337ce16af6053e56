"""``batch-client what-if``: what other match thresholds would have cleared."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from batch_client.console import Json, fail, open_results, read_settings
from batch_client.exit_codes import ExitCode
from results.what_if import Row, WhatIf
from results.what_if import what_if as compute


def what_if(
    nights: Annotated[int, typer.Option(min=1, max=3660, help="Newest days with a run that classified photos.")] = 30,
    as_json: Json = False,
) -> None:
    """Show what other match thresholds would have cleared, and how many of it were wrong. Nothing is changed."""
    settings = read_settings()
    further = [settings.match_threshold] if settings.match_threshold is not None else []
    with open_results(settings) as database, database.reading() as connection:
        answer = compute(connection, nights, further)
    if answer is None:
        fail(ExitCode.USAGE, "no run has stored the thresholds of a model yet. Start a run once.")
    if as_json:
        typer.echo(json.dumps(asdict(answer)))
    else:
        _print(Console(), answer)


def _print(console: Console, answer: WhatIf) -> None:
    if not answer.returns:
        console.print(f"No photo with an order in the newest {answer.nights} nights.")
        return
    window = f"{answer.nights} nights since {answer.since}"
    console.print(f"{answer.returns} returns with an order, {answer.photos} photos, {window}")
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("match from")
    for name in ("photos", "returns", "checked", "wrong", "share wrong (95%)"):
        table.add_column(name, justify="right")
    for row in answer.rows:
        returns = f"{row.returns} ({row.returns / answer.returns:.1%})"
        counts = (str(row.photos), returns, str(row.checked), str(row.wrong))
        table.add_row(f"{row.threshold:g} {row.note}".strip(), *counts, _share_wrong(row))
    console.print(table)
    console.print("photos, returns: what the model would clear. checked: returns that people judged.")


def _share_wrong(row: Row) -> str:
    if row.share_wrong is None:
        return "too few checks to tell"
    found = row.share_wrong
    return f"{found.share:.1%} ({found.low:.1%} to {found.high:.1%})"
