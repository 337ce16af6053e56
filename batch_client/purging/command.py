"""``batch-client purge``."""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from sqlalchemy import ColumnElement

from batch_client.console import Json, fail, open_results, read_settings
from batch_client.exit_codes import ExitCode
from batch_client.purging.purge import Outcome, Purge
from batch_client.sources.names import visible
from results.database import Database
from results.lock import run_lock
from results.retention import newest_moment, of_return, older_than, parse_age

_FILES_SHOWN = 20


def purge(
    age: Annotated[str | None, typer.Option("--older-than", help="Age, as 36h, 90d or 12w.")] = None,
    return_id: Annotated[str | None, typer.Option(help="The return whose photos shall go.")] = None,
    from_source: Annotated[
        bool, typer.Option("--from-source", help="Delete the originals in a local source, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Delete photos with everything that is kept of them, and list what cannot be reached."""
    if (age is None) == (return_id is None):
        fail(ExitCode.USAGE, "name either --older-than or --return-id")
    settings = read_settings()
    with open_results(settings) as database, run_lock(database):
        try:
            condition = _condition(database, age, return_id or "", as_json)
        except ValueError as error:
            fail(ExitCode.USAGE, str(error))
        work = Purge(settings, database, condition, from_source)
        if not (dry_run or yes or as_json) and _is_terminal() and not _confirmed(work.count()):
            typer.echo("nothing was deleted")
            return
        outcome = work.preview() if dry_run else work.run()
    if as_json:
        typer.echo(json.dumps(_report(outcome)))
    else:
        _print(outcome, dry_run)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _confirmed(count: int) -> bool:
    """Ask a person, unless there is nothing to delete."""
    return count == 0 or typer.confirm(f"Delete {count} photos and everything that is kept of them?")


def _condition(database: Database, age: str | None, return_id: str, is_quiet: bool) -> ColumnElement[bool]:
    """Return what selects the photos; retention counts from the newest photo where the clock is ahead of it.

    Raises:
        ValueError: age or return id say nothing.
    """
    if age is None:
        return of_return(return_id)
    length, moment = parse_age(age), datetime.now(UTC)
    with database.reading() as connection:
        newest = newest_moment(connection)
    if newest is not None and newest < moment:
        moment = newest
        if not is_quiet:
            typer.echo(f"counted from the newest photo, {newest.isoformat(timespec='seconds')}")
    return older_than((moment - length).isoformat())


def _report(outcome: Outcome) -> dict[str, Any]:
    removed, traces = outcome.removed, outcome.traces
    return {
        "photos": removed.photos,
        "predictions": removed.predictions,
        "reviews": removed.reviews,
        "files": outcome.pictures,
        "originals": [str(path) for path in outcome.originals],
        "reports": sorted(traces.reports),
        "tables": [str(path) for path in traces.tables],
        "log_names": sum(traces.logs.values()),
        "not_reached": outcome.not_reached,
    }


def _print(outcome: Outcome, is_preview: bool) -> None:
    removed, traces = outcome.removed, outcome.traces
    if is_preview:
        typer.echo(f"would remove {removed.photos} photos with their predictions, reviews and pictures")
        for path in outcome.originals[:_FILES_SHOWN]:
            typer.echo(f"would remove {visible(str(path))}")
        if (more := len(outcome.originals) - _FILES_SHOWN) > 0:
            typer.echo(f"would remove {more} more files")
    else:
        typer.echo(
            f"removed {removed.photos} photos, {removed.predictions} predictions, {removed.reviews} reviews, "
            f"{outcome.pictures} pictures, {len(outcome.originals)} original files"
        )
    verb = "would be " if is_preview else ""
    if traces.reports or traces.tables:
        typer.echo(f"{verb}written again without them: {len(traces.reports)} reports, {len(traces.tables)} tables")
    if traces.logs:
        typer.echo(f"{verb}masked in logs: {sum(traces.logs.values())} names")
    if removed.photos:
        typer.echo("not reached:")
        for sentence in outcome.not_reached:
            typer.echo(f"  {visible(sentence)}")
