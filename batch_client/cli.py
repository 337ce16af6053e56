"""``batch-client``: run, runs, show."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from batch_client.exit_codes import ExitCode
from batch_client.intake import SourceError, find_files
from batch_client.progress import progress
from batch_client.run import MOST_IN_FLIGHT, run_source
from batch_client.sending import Sender
from batch_client.service import Service
from batch_client.settings import BatchSettings
from batch_client.summary import print_run, print_runs, print_summary, report_of_run
from results import runs as results_runs
from results.database import Database, ResultsError
from results.lock import Locked, run_lock

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Classify folders of photos and keep what was found.",
)
Json = Annotated[bool, typer.Option("--json", help="Print a JSON object and nothing else.")]


@app.command()
def run(
    source: Annotated[Path | None, typer.Argument(help="Folder of photos; default: INBOX.")] = None,
    as_json: Json = False,
) -> None:
    """Classify what is new in a folder."""
    settings = _settings()
    source = source or settings.inbox
    console = Console(stderr=as_json)
    with _open(settings) as database, _faults():
        with run_lock(database):
            total = sum(1 for _ in find_files(source))
            service = Service(str(settings.torchserve_url), settings.torchserve_token_file, MOST_IN_FLIGHT)
            sender = Sender(service, MOST_IN_FLIGHT, settings.service_patience_s)
            with progress(console, total) as show, _ends_cleanly_on_signals(sender):
                outcome = run_source(database, sender, source, show)
            service.close()
        if as_json:
            typer.echo(json.dumps(report_of_run(database, outcome.run)))
        else:
            print_summary(console, database, outcome)
    raise SystemExit(outcome.exit_code)


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
        return
    print_run(Console(), report)


@contextmanager
def _ends_cleanly_on_signals(sender: Sender) -> Iterator[None]:
    """Let SIGINT and SIGTERM stop the sending, so that what was answered is stored; a second one ends at once."""
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _frame: FrameType | None) -> None:
        sender.stop()
        signal.signal(number, previous[signal.Signals(number)])

    for number in previous:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _settings() -> BatchSettings:
    try:
        return BatchSettings()
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
    except SourceError as error:
        _fail(ExitCode.USAGE, str(error))
    except ResultsError as error:
        _fail(ExitCode.RESULTS, str(error))
    except Locked as error:
        _fail(ExitCode.LOCKED, str(error))


def _fail(code: ExitCode, message: str) -> NoReturn:
    typer.echo(f"batch-client: {message}", err=True)
    raise SystemExit(code)
