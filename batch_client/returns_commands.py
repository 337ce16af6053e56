"""The commands of ``batch-client`` that list returns."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from batch_client import logs
from batch_client.console import Json, fail, open_results, read_settings
from batch_client.exit_codes import ExitCode
from batch_client.reports import returns_webhook as delivery
from batch_client.reports.summary import escape
from batch_client.reports.tables import atomic_write, existing_run, standard_output
from batch_client.settings import BatchSettings
from results import outbox
from results.return_lists import LIST_COLUMNS, ReturnCriteria, all_returns, count_by_decision, find_returns
from results.spreadsheet import BYTE_ORDER_MARK, escape_formula

_PAGE = 500
_SHOWN = 50


def list_returns(
    run: Annotated[
        int | None, typer.Argument(metavar="[RUN]", min=1, help="Only returns with photos of this run.")
    ] = None,
    state: Annotated[
        Literal["cleared", "hold", "open"] | None, typer.Option(help="Only returns in this state.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only returns that changed after this time (ISO 8601, UTC).")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write them all as CSV into this file.")] = None,
    file_format: Annotated[Literal["table", "csv"], typer.Option("--format", help="What to print.")] = "table",
    as_json: Json = False,
) -> None:
    """List returns: how many of their photos match the order, and what was decided."""
    criteria = ReturnCriteria(state, since, () if run is None else (run,))
    with open_results(read_settings()) as database, database.reading() as connection:
        if run is not None:
            existing_run(connection, run)
        if output is not None:
            with atomic_write(output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
                _write_csv(connection, criteria, file)
            typer.echo(json.dumps({"file": str(output)}) if as_json else f"wrote {output}")
        elif as_json:
            rows = [row for page in all_returns(connection, criteria, _PAGE) for row in page]
            typer.echo(json.dumps(rows))
        elif file_format == "csv":
            _write_csv(connection, criteria, standard_output())
        else:
            _print(connection, criteria)


def deliver(as_json: Json = False) -> None:
    """Send the decisions that wait for the shop's system to RETURNS_WEBHOOK_URL."""
    settings = read_settings()
    webhook = webhook_of(settings)
    if webhook is None:
        fail(ExitCode.USAGE, "RETURNS_WEBHOOK_URL is not set, so nobody gets the decisions")
    with open_results(settings) as database:
        logs.set_up(settings.log_dir, settings.log_format, to_terminal=True)
        delivered = delivery.deliver(database, webhook)
        with database.reading() as connection:
            waiting = outbox.count_waiting(connection)
    counts = {"confirmed": delivered.confirmed, "failed": delivered.failed, "waiting": waiting}
    typer.echo(json.dumps(counts) if as_json else ", ".join(f"{number} {name}" for name, number in counts.items()))
    raise SystemExit(ExitCode.SERVICE_AWAY if delivered.failed else ExitCode.OK)


def webhook_of(settings: BatchSettings) -> delivery.Webhook | None:
    """Return where decisions go; None if nobody gets them."""
    if settings.returns_webhook_url is None:
        return None
    return delivery.Webhook(str(settings.returns_webhook_url), settings.returns_webhook_secret)


def _write_csv(connection: Connection, criteria: ReturnCriteria, file: TextIO) -> None:
    file.write(BYTE_ORDER_MARK)
    writer = csv.writer(file)
    writer.writerow(LIST_COLUMNS)
    for page in all_returns(connection, criteria, _PAGE):
        writer.writerows([escape_formula(row[name]) for name in LIST_COLUMNS] for row in page)


def _print(connection: Connection, criteria: ReturnCriteria) -> None:
    console = Console()
    page = find_returns(connection, criteria, _SHOWN)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("return", "ordered", "state", "why or by", "photos"):
        table.add_column(name, overflow="fold")
    for row in page.rows:
        name = row["return_id"] or f"photo {row['return_key'][2:]}"
        cells = (name, row["ordered"], row["final_decision"], row["reason"] or row["decided_by"], _photos(row))
        table.add_row(*(escape(str(value or "")) for value in cells))
    console.print(table)
    counted = count_by_decision(connection, criteria)
    total = sum(counted.values())
    console.print(f"{total} returns: " + ", ".join(f"{number} {decision}" for decision, number in counted.items()))
    if total > len(page.rows):
        console.print(f"The first {len(page.rows)} are shown; --format csv prints them all.")


def _photos(row: Mapping[str, Any]) -> str:
    """Return the photos of a return by what they say about it, such as ``2 match, 1 unsure``."""
    counts = (
        ("matching", "match"),
        ("unsure", "unsure"),
        ("mismatches", "mismatch"),
        ("repeats", "repeat"),
        ("unusable", "unusable"),
        ("refused", "refused"),
        ("failed", "failed"),
    )
    return ", ".join(f"{row[column]} {word}" for column, word in counts if row[column])
