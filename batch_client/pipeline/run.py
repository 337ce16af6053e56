"""One run: every photo of a source gets an outcome, a reason, or waits for the next run."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from batch_client.exit_codes import ExitCode
from batch_client.pipeline.flow import PhotoFlow
from batch_client.pipeline.notes import EARLIER_RUNS, notes_of
from batch_client.pipeline.options import RunOptions
from batch_client.pipeline.processor import PhotoProcessor
from batch_client.pipeline.progress import RunEnd
from batch_client.pipeline.run_store import RunStore
from batch_client.sources.source import Source
from batch_client.stop import StopSignal
from results import runs
from results.database import Database, ResultsError
from results.runs import Counts

log = logging.getLogger("batch_client")


@dataclass(frozen=True)
class RunSummary:
    """A run that is over.

    Attributes:
        run_id: its id in the results.
        counts: where the photos went.
        exit_code: of the program.
        message: why it stopped early, or what a person has to repair; None if neither.
        seconds: how long it took.
        sent: photos that came to an outcome in this run.
        notes: what else there is to say: pairs of kind and message.
    """

    run_id: int
    counts: Counts
    exit_code: ExitCode
    message: str | None
    seconds: float
    sent: int
    notes: tuple[tuple[str, str], ...]


def run_source(
    database: Database,
    processor: PhotoProcessor,
    source: Source,
    stop: StopSignal,
    options: RunOptions,
    on_progress: Callable[[Counts], None],
    check_lock: Callable[[], None],
    total: int | None = None,
) -> RunSummary:
    """Classify what is new in a source and store it, group by group.

    The caller holds the lock of the results.

    Args:
        database: for the outcomes.
        processor: does the steps of one photo.
        source: of the photos.
        stop: ends the run; photos in work are still stored or left.
        options: of this run.
        on_progress: called after each transaction with the counts so far.
        check_lock: raises ResultsError if this run no longer owns the results.
        total: files that the run will meet, if the caller counted them.

    Raises:
        UsageError: the source cannot be listed; nothing was recorded.
        ResultsError: results or disk cannot be written; what was stored before stays.
    """
    started = time.monotonic()
    files = source.files()
    name = options.name or source.name
    with database.writing() as connection:
        runs.close_interrupted(connection, str(options.shard))
        run_id = runs.start_run(connection, name, str(options.shard), total)
    share = f", share {options.shard}" if str(options.shard) else ""
    log.info("run %d: started over %s%s", run_id, name, share, extra={"fields": {"run": run_id, "source": name}})
    flow = PhotoFlow(RunStore(database, run_id, check_lock), processor, stop, name, options, on_progress)
    progress = flow.progress
    try:
        end = flow.process(files, source)
    except ResultsError as error:
        with suppress(ResultsError), database.writing() as connection:  # it may still take these few bytes
            runs.finish_run(connection, run_id, "stopped", ExitCode.RESULTS, progress.counts, str(error))
        raise
    if options.expects_photos and end.status == "finished" and not progress.counts.found:
        end = RunEnd(
            "finished", ExitCode.USAGE, f"no photo was found in {name}; EXPECT_PHOTOS says that there are some"
        )
    with database.writing() as connection:
        earlier = runs.newest_found(connection, name, str(options.shard), EARLIER_RUNS)
        notes = notes_of(progress, end, flow.manifest, source.ignored, earlier)
        runs.store_notes(connection, run_id, notes)
        runs.finish_run(connection, run_id, end.status, end.exit_code, progress.counts, end.message)
    seconds = time.monotonic() - started
    return RunSummary(run_id, progress.counts, end.exit_code, end.message, seconds, progress.sent, notes)
