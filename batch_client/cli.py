"""``batch-client``: the commands that run."""

import json
import os
import signal
import threading
from contextlib import closing
from datetime import UTC, datetime
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from batch_client import decide_command, logs, results_commands, returns_commands, what_if_command
from batch_client.console import Json, fail, open_results, read_settings
from batch_client.exit_codes import ExitCode
from batch_client.pipeline.file_disposition import Processed
from batch_client.pipeline.lifecycle import Tuning, connect, early_end_is_told, run_once, stored_as
from batch_client.pipeline.options import Resend
from batch_client.purging.command import purge
from batch_client.reports.returns_webhook import deliver as deliver_decisions
from batch_client.reports.returns_webhook import delivering
from batch_client.reports.summary import print_summary
from batch_client.returns_commands import webhook_of
from batch_client.schedule.loop import RETRIED, run_forever
from batch_client.schedule.times import CRONTAB, Schedule, read_crontab
from batch_client.settings import BatchSettings
from results import planned_runs, runs
from results.database import Database, ResultsError, is_missing
from service_client.responses import ServiceFault

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)
Source = Annotated[
    str | None, typer.Argument(help="Folder of photos, or s3://, gs://, az://, sftp:// and its path; default: INBOX.")
]
SourceName = Annotated[str, typer.Option(help="Store the source under this name instead of its path or URL.")]


@app.callback()
def prepare(context: typer.Context) -> None:
    """Classify folders of photos and keep what was found."""
    # Results, pictures, originals, reports and logs are about people: other users of the machine must not read them.
    before = os.umask(0o077)
    context.call_on_close(lambda: os.umask(before))


@app.command()
def run(
    context: typer.Context,
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
    settings = read_settings(batch_shard=shard, processed=processed)
    resend = Resend.ALL if force else Resend.NONE
    _run_and_report(settings, source, source_name, resend, as_json, context.obj)


@app.command("retry-failed")
def retry_failed(
    context: typer.Context, source: Source = None, source_name: SourceName = "", as_json: Json = False
) -> None:
    """Classify what is new, and send rejected photos again."""
    _run_and_report(read_settings(), source, source_name, Resend.FAILED, as_json, context.obj)


@app.command()
def schedule(
    source: Source = None,
    source_name: SourceName = "",
    coming: Annotated[int, typer.Option("--next", min=0, help="Print so many coming times and end.")] = 0,
    as_json: Json = False,
) -> None:
    """Run at the times of BATCH_SCHEDULE, in the foreground, until SIGTERM; a missed night is caught up at once."""
    settings = read_settings()
    plan = _plan(settings)
    if coming:
        _print_coming(plan, coming, as_json)
        return
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    def once() -> int:
        with early_end_is_told(settings), open_results(settings, creates=True) as database:
            place = source or settings.inbox
            summary, _ = run_once(settings, database, place, source_name, Resend.NONE, Console(quiet=True), stopped)
            return summary.exit_code

    name = shard = ""

    def last_started() -> datetime | None:
        nonlocal name, shard
        with open_results(settings) as database, database.reading() as connection:
            name, shard = stored_as(settings, source or settings.inbox, source_name)
            started = runs.last_started(connection, name, shard, (ExitCode.INTERRUPTED, *RETRIED))
        return datetime.fromisoformat(started) if started else None

    def note_due(due: datetime) -> None:
        try:
            with closing(Database(settings.results_db)) as database, database.writing() as connection:
                planned_runs.note_due(connection, name, shard, due)
        except ResultsError as error:  # the run itself tells it with its exit code
            logs.log.warning("the desk does not learn when the next run is due: %s", error)

    with open_results(settings, creates=True):  # a wrong setting is told now, not at 2 AM
        logs.set_up(settings.log_dir, settings.log_format, to_terminal=True)
    with delivering(settings.results_db, webhook_of(settings)):
        run_forever(plan, once, last_started, stopped, note_due=note_due)


@app.command()
def status(as_json: Json = False) -> None:
    """Say whether a run could begin: results that open and a model that answers; exit 0 if so, else the run's code."""
    settings = read_settings()
    has_results = not is_missing(settings.results_db)
    if has_results:
        with open_results(settings):
            pass
    with closing(connect(settings, connections=1)) as service:
        model = service.describe()
    if isinstance(model, ServiceFault):
        fail(ExitCode.SERVICE_AWAY, f"the service at {settings.torchserve_url} is away: {model.message}")
    version = {"model_version": model.model_version, "contract_version": model.contract_version}
    results = "results open" if has_results else f"no results yet at {settings.results_db}"
    typer.echo(json.dumps(version) if as_json else f"ready: {results}, model {model.model_version} answers")


app.command("runs")(results_commands.list_runs)
app.command()(results_commands.show)
app.command("returns")(returns_commands.list_returns)
app.command()(returns_commands.deliver)
app.command()(decide_command.decide)
app.command("what-if")(what_if_command.what_if)
app.command()(results_commands.export)
app.command()(results_commands.report)
app.command()(results_commands.verify)
app.command()(purge)


def _run_and_report(
    settings: BatchSettings,
    source: str | None,
    source_name: str,
    resend: Resend,
    as_json: bool,
    tuning: Tuning | None,
) -> None:
    console = Console(stderr=as_json)
    logs.set_up(settings.log_dir, settings.log_format, to_terminal=False)
    place = source or settings.inbox
    with early_end_is_told(settings), open_results(settings, creates=True) as database:
        summary, report = run_once(settings, database, place, source_name, resend, console, tuning=tuning)
    with open_results(settings) as database:
        if as_json:
            typer.echo(json.dumps(report))
        else:
            print_summary(console, database, summary, report)
        if (webhook := webhook_of(settings)) is not None:
            deliver_decisions(database, webhook)
    raise SystemExit(summary.exit_code)


def _plan(settings: BatchSettings) -> Schedule:
    try:
        return Schedule.parse(settings.batch_schedule or read_crontab(CRONTAB), settings.tz)
    except (ValueError, OSError) as error:
        fail(ExitCode.USAGE, f"BATCH_SCHEDULE or TZ is wrong: {error}")


def _print_coming(plan: Schedule, count: int, as_json: bool) -> None:
    moment, times = datetime.now(UTC), []
    for _ in range(count):
        moment = plan.next_after(moment)
        times.append(moment.astimezone(plan.zone).isoformat(timespec="minutes"))
    typer.echo(json.dumps(times) if as_json else "\n".join(times))
