"""One execution of the batch client: everything around a run that a person or a schedule starts."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from batch_client.errors import SourceError, UsageError
from batch_client.exit_codes import ExitCode
from batch_client.inference.retry import MOST_IN_FLIGHT, RetryingClient, RetryPolicy
from batch_client.pipeline.file_disposition import FileDisposition
from batch_client.pipeline.options import Resend, RunOptions
from batch_client.pipeline.pictures import KeepPictures, MediaStore
from batch_client.pipeline.processor import PhotoProcessor
from batch_client.pipeline.resources import MemoryBudget
from batch_client.pipeline.run import RunSummary, run_source
from batch_client.reports.html import write_html
from batch_client.reports.notifications import send_notices
from batch_client.reports.progress_bar import progress
from batch_client.reports.summary import report_of_run
from batch_client.reports.tables import atomic_write
from batch_client.settings import BatchSettings
from batch_client.sources.names import IgnoreRules
from batch_client.sources.open import open_source
from batch_client.sources.order_words import CategoryMap
from batch_client.sources.shard import Shard
from batch_client.sources.source import Source, count_files
from batch_client.stop import StopSignal, ends_in_time, obeys_signals
from results import runs
from results.database import Database, ResultsError
from results.lock import run_lock
from service_client.client import InferenceClient, InvalidTokenFile, read_token_file

_CONNECT_SECONDS = 3
_CALL_SECONDS = 90  # longer than the engine lets one server batch take (responseTimeout)

log = logging.getLogger("batch_client")


@dataclass(frozen=True)
class Tuning:
    """What no setting changes, but tests do.

    Attributes:
        retry: how requests are repeated.
        group: photos that are stored together.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    group: int = 64


def run_once(
    settings: BatchSettings,
    database: Database,
    source: str,
    name: str,
    resend: Resend,
    console: Console,
    stopped: threading.Event | None = None,
    tuning: Tuning | None = None,
) -> tuple[RunSummary, dict[str, Any]]:
    """Run over a source, log it and send the notifications; return its summary and its report.

    Args:
        settings: of this program.
        database: where results go.
        source: folder of photos, or its URL.
        name: under which the source is stored; its path or URL if empty.
        resend: known photos to send again.
        console: shows the progress.
        stopped: set by the signal that stops this run, for a schedule that has to end as well.
        tuning: for tests.

    Raises:
        Locked: another run has these results.
        UsageError: source or settings are wrong; nothing was recorded.
        ResultsError: results or disk cannot be written.
    """
    with closing(open_source(source, IgnoreRules(*settings.ignored_names))) as opened:
        return _run_over(settings, database, opened, name, resend, console, stopped, tuning or Tuning())


def connect(settings: BatchSettings, connections: int) -> InferenceClient:
    """Return a client of the service; nothing is connected yet.

    Raises:
        UsageError: the token file holds something other than a token.
    """
    try:
        read_token_file(settings.torchserve_token_file)
    except InvalidTokenFile as error:
        raise UsageError(str(error)) from error
    url = str(settings.torchserve_url)
    return InferenceClient(url, settings.torchserve_token_file, connections, _CONNECT_SECONDS, _CALL_SECONDS)


def stored_as(settings: BatchSettings, source: str, name: str) -> tuple[str, str]:
    """Return the name and the share under which :func:`run_once` records a run over a source.

    Raises:
        UsageError: source or share are wrong.
    """
    with closing(open_source(source)) as opened:
        return name or opened.name, str(_shard(settings))


def _run_over(
    settings: BatchSettings,
    database: Database,
    source: Source,
    name: str,
    resend: Resend,
    console: Console,
    stopped: threading.Event | None,
    tuning: Tuning,
) -> tuple[RunSummary, dict[str, Any]]:
    shard = _shard(settings)
    _refuse_own_files(source, settings, database)
    disposition = FileDisposition(settings.processed, settings.processed_dir, settings.quarantine_dir)
    words = CategoryMap.read(settings.category_map) if settings.category_map is not None else None
    options = RunOptions(
        disposition,
        shard,
        name,
        resend,
        settings.settle_s,
        tuning.group,
        words,
        settings.match_threshold,
        expects_photos=settings.expect_photos and not str(shard),  # a share may hold none
    )
    stop = StopSignal()
    service = connect(settings, MOST_IN_FLIGHT)
    client = RetryingClient(service, stop, settings.service_patience_s, tuning.retry)
    memory = MemoryBudget(settings.batch_memory_mb * 1_000_000)
    media = MediaStore(settings.media_dir)
    keeps_all = settings.keep_pictures is KeepPictures.ALL
    processor = PhotoProcessor(client, media, memory, stop, settings.audit_share, settings.settle_s, keeps_all)
    try:
        with (
            run_lock(database, str(shard)) as lock,
            obeys_signals(stop, stopped),
            ends_in_time(stop, settings.batch_time_limit_s),
        ):
            total = _count(source, options, database)
            with progress(console, total) as show:
                summary = run_source(database, processor, source, stop, options, show, lock.check, total)
    except (ResultsError, SourceError) as error:
        code = ExitCode.RESULTS if isinstance(error, ResultsError) else ExitCode.USAGE
        log.error("the run ended with exit code %d: %s", code, error)
        raise
    finally:
        service.close()
    report = report_of_run(database, summary.run_id, settings.desk_address)
    _log(report, summary)
    if settings.report_dir is not None:  # before the ping: a night without its report is no success
        _write_reports(settings, settings.report_dir, database, report)
    _notify(settings, report)
    return summary, report


@contextmanager
def early_end_is_told(settings: BatchSettings) -> Iterator[None]:
    """Post to the webhook and ping ``/fail`` if the block ends before a run has done so itself."""
    try:
        yield
    except SystemExit as end:
        if end.code:
            code = end.code if isinstance(end.code, int) else int(ExitCode.BUG)
            _notify(settings, {"exit_code": code, "message": getattr(end, "message", ""), "failures": []})
        raise
    except Exception as error:
        _notify(settings, {"exit_code": int(ExitCode.BUG), "message": type(error).__name__, "failures": []})
        raise


def _count(source: Source, options: RunOptions, database: Database) -> int:
    """Count the files that the run will meet.

    Raises:
        SourceError: the source cannot be listed, or there is no telling an empty one from a mistyped one.
    """
    count = count_files(source, options.shard.holds)
    if source.may_not_exist:
        with database.reading() as connection:
            if not runs.has_found_any(connection, options.name or source.name):
                raise SourceError(
                    f"Nothing lies under {source.name}, and no run has found anything there. Check the prefix."
                )
    return count


def _notify(settings: BatchSettings, report: dict[str, Any]) -> None:
    send_notices(report, _text(settings.webhook_url), _text(settings.ping_url))


def _refuse_own_files(source: Source, settings: BatchSettings, database: Database) -> None:
    """Refuse a source that holds what we write ourselves: the next run would take it for new photos.

    Raises:
        UsageError: something of ours lies inside; the message names its variable.
    """
    names = ("processed_dir", "quarantine_dir", "media_dir", "log_dir", "report_dir", "category_map")
    ours = {name: getattr(settings, name) for name in names}
    if database.engine.dialect.name == "sqlite":
        ours["results_db"] = Path(str(database.engine.url.database))
    for name, path in ours.items():
        if path is not None and source.contains(path):
            raise UsageError(f"{name.upper()} ({path}) lies inside the source {source.name}; name a place elsewhere")


def _shard(settings: BatchSettings) -> Shard:
    """Return the share of this client; Kubernetes numbers the pods of a job by itself.

    Raises:
        UsageError: it is no share; the message says why.
    """
    text = settings.batch_shard
    if text.startswith("/") and settings.job_completion_index is not None:
        text = f"{settings.job_completion_index}{text}"
    return Shard.parse(text) if text else Shard()


def _write_reports(settings: BatchSettings, folder: Path, database: Database, report: dict[str, Any]) -> None:
    """Write ``run-N.html`` and ``run-N.json``.

    Raises:
        ResultsError: the disk refuses.
    """
    try:
        with database.reading() as connection:
            page = folder / f"run-{report['id']}.html"
            write_html(connection, report["id"], page, settings.media_dir, settings.desk_address)
        with atomic_write(folder / f"run-{report['id']}.json") as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        log.error("run %d: REPORT_DIR cannot be written: %s", report["id"], error.strerror or error)
        raise ResultsError(f"REPORT_DIR cannot be written: {error.strerror or error}") from error


def _log(report: dict[str, Any], summary: RunSummary) -> None:
    run = {"run": summary.run_id}
    for kind, message in summary.notes:
        level = logging.ERROR if kind in ("manifest", "warning") else logging.INFO
        log.log(level, "run %d: %s", summary.run_id, message, extra={"fields": run})
    for failure in report["failures"]:
        if failure["is_new"]:
            fields = {**run, "filename": failure["filename"], "code": failure["code"]}
            text = f"{failure['filename']}: {failure['code']}: {failure['message']}"
            log.warning("run %d: %s", summary.run_id, text, extra={"fields": fields})
    for line in report["text"].splitlines():
        log.info("run %d: %s", summary.run_id, line, extra={"fields": run})
    other = ("id", "failures", "notes", "manifest_problems", "text")
    columns = {name: value for name, value in report.items() if name not in other}
    counts = " ".join(f"{name}={report[name]}" for name in ("found", "classified", "known", "failed", "left"))
    level = logging.INFO if summary.exit_code == ExitCode.OK else logging.ERROR
    message = f"{counts} exit_code={summary.exit_code:d} seconds={summary.seconds:.1f} {summary.message or ''}".strip()
    log.log(level, "run %d: %s", summary.run_id, message, extra={"fields": {**run, **columns}})


def _text(url: object) -> str | None:
    return None if url is None else str(url)
