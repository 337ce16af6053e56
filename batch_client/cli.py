"""``batch-client``: what a person or a schedule asks of the batch client."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from batch_client import logs
from batch_client.disposal import Processed
from batch_client.errors import UsageError
from batch_client.execution import run_once
from batch_client.exit_codes import ExitCode
from batch_client.run import Resend
from batch_client.settings import BatchSettings
from batch_client.summary import print_run, print_runs, print_summary, report_of_run
from results import runs as results_runs
from results.database import Database, ResultsError
from results.lock import Locked

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Classify folders of photos and keep what was found.",
)
Json = Annotated[bool, typer.Option("--json", help="Print a JSON object and nothing else.")]
Source = Annotated[Path | None, typer.Argument(help="Folder of photos; default: INBOX.")]
SourceName = Annotated[str, typer.Option(help="Store the source under this name instead of its path.")]


@app.command()
def run(
    source: Source = None,
    source_name: SourceName = "",
    force: Annotated[bool, typer.Option("--force", help="Send known photos again.")] = False,
    shard: Annotated[str | None, typer.Option(help="INDEX/COUNT: take this share; default: BATCH_SHARD.")] = None,
    processed: Annotated[
        Processed | None, typer.Option(help="What becomes of classified files; default: PROCESSED.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Classify what is new in a folder."""
    settings = _settings(batch_shard=shard, processed=processed)
    _run(settings, source, source_name, Resend.ALL if force else Resend.NONE, as_json)


@app.command("retry-failed")
def retry_failed(source: Source = None, source_name: SourceName = "", as_json: Json = False) -> None:
    """Like run, and send photos again that failed through their own fault."""
    _run(_settings(), source, source_name, Resend.FAILED, as_json)


@app.command()
def runs(limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20, as_json: Json = False) -> None:
    """List the newest runs."""
    with _open(_settings()) as database, _faults():
        with database.reading() as connection:
            rows = results_runs.list_runs(connection, limit)
        if as_json:
            typer.echo(json.dumps(rows))
        else:
            print_runs(Console(), rows)


@app.command()
def show(run: Annotated[int, typer.Argument(help="Its number.")], as_json: Json = False) -> None:
    """Show one run and its failures."""
    with _open(_settings()) as database, _faults():
        report = report_of_run(database, run)
    if report is None:
        _fail(ExitCode.USAGE, f"there is no run {run}. `batch-client runs` lists them.")
    if as_json:
        typer.echo(json.dumps(report))
    else:
        print_run(Console(), report)


def _run(settings: BatchSettings, source: Path | None, source_name: str, resend: Resend, as_json: bool) -> None:
    console = Console(stderr=as_json)
    with _open(settings) as database, _faults():
        logs.set_up(settings.log_dir, settings.log_format, to_terminal=False)
        outcome = run_once(settings, database, source or settings.inbox, source_name, resend, console)
        if as_json:
            report = report_of_run(database, outcome.run) or {}
            typer.echo(json.dumps({**report, "manifest_problems": outcome.manifest_problems}))
        else:
            print_summary(console, database, outcome)
    raise SystemExit(outcome.exit_code)


def _settings(**from_command_line: Any) -> BatchSettings:
    """Read the environment; what the command line names counts instead."""
    try:
        return BatchSettings(**{name: value for name, value in from_command_line.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        _fail(ExitCode.USAGE, f"a setting is wrong: {problems}")


@contextmanager
def _open(settings: BatchSettings) -> Iterator[Database]:
    with _faults():
        database = Database(settings.results_db)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _faults() -> Iterator[None]:
    """Turn the faults we know into one line and their exit code."""
    try:
        yield
    except UsageError as error:
        _fail(ExitCode.USAGE, str(error))
    except (ResultsError, OSError) as error:
        _fail(ExitCode.RESULTS, str(error))
    except Locked as error:
        _fail(ExitCode.LOCKED, str(error))


def _fail(code: ExitCode, message: str) -> NoReturn:
    typer.echo(f"batch-client: {message}", err=True)
    raise SystemExit(code)
