"""The commands of ``batch-client`` that read and check results."""

import getpass
import json
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from batch_client.console import Json, fail, open_results, read_settings
from batch_client.exit_codes import ExitCode
from batch_client.purging.strays import find_strays
from batch_client.reports.html import html_report, write_html
from batch_client.reports.mail import report_mail, report_text
from batch_client.reports.summary import print_run, print_runs, report_of_run
from batch_client.reports.tables import atomic_write, export_csv, export_json, export_parquet, standard_output
from batch_client.sources.names import visible
from results import runs
from results import verify as verifying
from results.morning import summarize

RunNumber = Annotated[int, typer.Argument(metavar="RUN", min=1, max=2**62, help="Its number.")]


def list_runs(limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20, as_json: Json = False) -> None:
    """List the newest runs."""
    with open_results(read_settings()) as database:
        with database.reading() as connection:
            rows = runs.list_runs(connection, limit)
        if as_json:
            typer.echo(json.dumps(rows))
        else:
            print_runs(Console(), rows)


def show(run: RunNumber, as_json: Json = False) -> None:
    """Show one run and its failures."""
    settings = read_settings()
    with open_results(settings) as database:
        report = report_of_run(database, run, settings.desk_address)
    if as_json:
        typer.echo(json.dumps(report))
    else:
        print_run(Console(), report)


def export(
    run: RunNumber,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File; CSV and JSON go to stdout without.")
    ] = None,
    file_format: Annotated[
        Literal["csv", "json", "parquet", "html"], typer.Option("--format", help="Of the file.")
    ] = "csv",
    as_json: Json = False,
) -> None:
    """Write one run's photos as CSV, JSON or Parquet, or its report as HTML."""
    settings = read_settings()
    if output is None:
        if file_format not in ("csv", "json"):
            fail(ExitCode.USAGE, f"{file_format} needs a file: name it with --output")
        with open_results(settings) as database, database.reading() as connection:
            if file_format == "json" or as_json:
                export_json(connection, run, sys.stdout)
            else:
                export_csv(connection, run, standard_output())
        return
    with open_results(settings) as database, database.reading() as connection:
        if file_format == "parquet":
            export_parquet(connection, run, output)
        elif file_format == "html":
            write_html(connection, run, output, settings.media_dir, settings.desk_address)
        else:
            write = export_csv if file_format == "csv" else export_json
            with atomic_write(output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
                write(connection, run, file)
    typer.echo(json.dumps({"file": str(output)}) if as_json else f"wrote {output}")


def report(
    run: RunNumber,
    file_format: Annotated[
        Literal["text", "html", "mail"],
        typer.Option("--format", help="mail: a complete message for `sendmail -t`, as text and as HTML."),
    ] = "text",
    to: Annotated[str, typer.Option(help="Recipients of the mail, separated by commas.")] = "",
    sender: Annotated[str, typer.Option("--from", help="Sender of the mail; default: the user on this host.")] = "",
    as_json: Json = False,
) -> None:
    """Print the report of one run as text, as an HTML page, or as a mail."""
    settings = read_settings()
    desk_url = settings.desk_address
    with open_results(settings) as database, database.reading() as connection:
        made = report_of_run(database, run, desk_url)
        if as_json:
            typer.echo(json.dumps(made))
        elif file_format == "text":
            typer.echo(report_text(made), nl=False)
        elif file_format == "html":
            typer.echo(html_report(connection, run, settings.media_dir, desk_url), nl=False)
        else:
            sender = sender or f"{getpass.getuser()}@{socket.getfqdn()}"
            try:
                message = report_mail(made, summarize(connection, made), desk_url, sender, to)
            except ValueError as error:
                fail(ExitCode.USAGE, f"--from or --to is no mail address: {error}")
            typer.echo(message.as_bytes(), nl=False)


def verify(as_json: Json = False) -> None:
    """Check the database, its accounting, and the files kept of photos; exit 5 if something is wrong."""
    settings = read_settings()
    with open_results(settings) as database:
        with database.reading() as connection:
            problems = verifying.verify(connection)
        if not any(problem.kind == "integrity" for problem in problems):
            problems += find_strays(database, settings)
    if as_json:
        typer.echo(json.dumps([asdict(problem) for problem in problems]))
    else:
        for problem in problems:
            typer.echo(f"{problem.kind}: {visible(problem.message)}")
        typer.echo(f"{len(problems)} problems" if problems else "nothing is wrong")
    raise SystemExit(ExitCode.RESULTS if problems else ExitCode.OK)
