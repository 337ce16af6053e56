"""The commands of ``batch-client`` that read, check and remove results."""

import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from batch_client.console import Json, fail, open_results, read_settings
from batch_client.exit_codes import ExitCode
from batch_client.pipeline.pictures import MediaStore
from batch_client.reports.html import write_html
from batch_client.reports.summary import print_run, print_runs, report_of_run
from batch_client.reports.tables import atomic_write, export_csv, export_json, export_parquet, standard_output
from batch_client.sources.names import visible
from results import purge as purging
from results import runs
from results import verify as verifying
from results.database import Database
from results.lock import run_lock

RunNumber = Annotated[int, typer.Argument(metavar="RUN", min=1, max=2**62, help="Its number.")]
# So that the review desk never waits long for a purge: SQLite has one writer at a time, and the desk asks it for its
# turn every 100 ms at last (sqliteDefaultBusyCallback in its main.c); between transactions in a row it finds no gap.
_PHOTOS_A_TRANSACTION = 500
_PAUSE_SECONDS = 0.15


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
    with open_results(read_settings()) as database:
        report = report_of_run(database, run)
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
            write_html(connection, run, output, settings.media_dir)
        else:
            write = export_csv if file_format == "csv" else export_json
            with atomic_write(output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
                write(connection, run, file)
    typer.echo(json.dumps({"file": str(output)}) if as_json else f"wrote {output}")


def verify(as_json: Json = False) -> None:
    """Check accounting, orphans and the database itself; exit 5 if something is wrong."""
    with open_results(read_settings()) as database, database.reading() as connection:
        problems = verifying.verify(connection)
    if as_json:
        typer.echo(json.dumps([asdict(problem) for problem in problems]))
    else:
        for problem in problems:
            typer.echo(f"{problem.kind}: {visible(problem.message)}")
        typer.echo(f"{len(problems)} problems" if problems else "nothing is wrong")
    raise SystemExit(ExitCode.RESULTS if problems else ExitCode.OK)


def purge(
    older_than: Annotated[str | None, typer.Option(help="Age, as 36h, 90d or 12w.")] = None,
    return_id: Annotated[str | None, typer.Option(help="The return whose photos shall go.")] = None,
    as_json: Json = False,
) -> None:
    """Delete photo records, their predictions and reviews, and the pictures kept of them."""
    if (older_than is None) == (return_id is None):
        fail(ExitCode.USAGE, "name either --older-than or --return-id")
    settings = read_settings()
    with open_results(settings) as database, run_lock(database):
        try:
            purged, files = _purge(database, MediaStore(settings.media_dir), older_than, return_id)
        except ValueError as error:
            fail(ExitCode.USAGE, str(error))
    counts = {"photos": purged.photos, "predictions": purged.predictions, "reviews": purged.reviews, "files": files}
    typer.echo(json.dumps(counts) if as_json else "removed " + ", ".join(f"{n} {name}" for name, n in counts.items()))


def _purge(
    database: Database, media: MediaStore, older_than: str | None, return_id: str | None
) -> tuple[purging.Purged, int]:
    """Purge in transactions of bounded size; return what was removed and how many files."""
    moment = (datetime.now(UTC) - purging.parse_age(older_than)).isoformat() if older_than is not None else ""
    total, files = purging.Purged(), 0
    while True:
        with database.writing() as connection:
            if return_id is not None:
                part = purging.purge_return(connection, return_id, most=_PHOTOS_A_TRANSACTION)
            else:
                part = purging.purge_older_than(connection, moment, most=_PHOTOS_A_TRANSACTION)
            # Inside the transaction: if a file cannot be removed, the rows come back and the command can be repeated.
            files += media.remove(part.sha256s)
        total = total.plus(part)
        if part.photos < _PHOTOS_A_TRANSACTION:
            return total, files
        time.sleep(_PAUSE_SECONDS)
