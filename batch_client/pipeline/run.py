"""One run: every photo of a source gets an answer, a reason, or a place among those left."""

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from batch_client.exit_codes import ExitCode
from batch_client.inference.retry import ServiceAway, Stopped, StopReason, Suspect
from batch_client.pipeline.file_disposition import Disposal
from batch_client.pipeline.photo import DECODERS, Photo, PhotoWork, Result, is_for_a_person
from batch_client.sources.local import settle
from batch_client.sources.manifest import Manifest, ManifestUnusable, read_manifest
from batch_client.sources.shard import Shard
from batch_client.sources.source import Source, SourceFile, SourceLost
from results import photos, runs
from results.database import Database, ResultsError
from results.photos import Classified, Failed, Known, PhotoKey
from results.runs import Counts
from service_client.responses import ServedModel

MOST_IN_FLIGHT = 16  # requests: two server batches, so that one can form while another runs
_GROUP = 64  # files looked up together, and outcomes a transaction: what a killed run sends again at most
_PICTURES_AT_ONCE = 1_000  # photos answered before the desk's pictures of them are made
_EXIT_CODES = {
    StopReason.AWAY: ExitCode.SERVICE_AWAY,
    StopReason.INTERRUPTED: ExitCode.INTERRUPTED,
    StopReason.TIME_LIMIT: ExitCode.TIME_LIMIT,
    StopReason.SOURCE_LOST: ExitCode.USAGE,
    StopReason.MANIFEST: ExitCode.USAGE,
}


log = logging.getLogger("batch_client")


class Resend(Enum):
    """Which known photos are sent again."""

    NONE = "none"
    FAILED = "failed"
    ALL = "all"


@dataclass(frozen=True)
class RunOptions:
    """What one run does besides classifying what is new.

    Attributes:
        name: under which the source is stored; its path or URL if empty.
        disposal: what becomes of the files.
        shard: the share of the source that this run takes.
        resend: known photos to send again.
    """

    disposal: Disposal
    shard: Shard
    name: str = ""
    resend: Resend = Resend.NONE


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run: its id in the results.
        counts: where the photos went.
        exit_code: of the program.
        message: why it stopped early, or what is left to be mended; None if neither.
        seconds: how long it took.
        sent: photos that came to an outcome in this run.
        manifest_problems: lines of the manifest that could not be used.
    """

    run: int
    counts: Counts
    exit_code: ExitCode
    message: str | None
    seconds: float
    sent: int
    manifest_problems: tuple[str, ...]


Progress = Callable[[Counts], None]


def run_source(database: Database, work: PhotoWork, source: Source, options: RunOptions, progress: Progress) -> Outcome:
    """Classify what is new in a source and store it, group by group.

    The caller holds the lock of the results.

    Args:
        database: where results go.
        work: turns a photo into an outcome; its sender, stopped from outside, ends the run at a photo's boundary.
        source: of the photos.
        options: of this run.
        progress: called after each transaction with the counts so far.

    Raises:
        UsageError: the source cannot be listed; nothing was recorded.
        ResultsError: results or disk cannot be written; what was stored before stays.
    """
    started = time.monotonic()
    files = (file for file in source.files() if options.shard.holds(file.filename))
    name = options.name or source.name
    with database.writing() as connection:
        runs.close_interrupted(connection, str(options.shard))
        run = runs.start_run(connection, name, str(options.shard))
    state = _Run(database, work, run, name, options, progress)
    try:
        reason, exit_code, message = state.through(files, source)
    except ResultsError as error:
        with suppress(ResultsError), database.writing() as connection:  # it may still take these few bytes
            runs.finish_run(connection, run, "stopped", ExitCode.RESULTS, state.counts, str(error))
        raise
    with database.writing() as connection:
        runs.finish_run(connection, run, "stopped" if reason else "finished", exit_code, state.counts, message)
    seconds = time.monotonic() - started
    return Outcome(run, state.counts, exit_code, message, seconds, state.sent, state.manifest.problems)


class _Run:
    """The state of one run."""

    def __init__(
        self, database: Database, work: PhotoWork, run: int, name: str, options: RunOptions, progress: Progress
    ) -> None:
        self.database = database
        self.work = work
        self.sender = work.sender
        self.run = run
        self.name = name
        self.options = options
        self.progress = progress
        self.manifest = Manifest({})
        self.counts = Counts()
        self.newly_failed = 0
        self.sent = 0
        self._in_flight: dict[Future[Result], Photo] = {}
        self._for_a_person: list[tuple[Photo, Classified | Known]] = []  # stored; without their pictures as yet
        self._why: ServiceAway | ManifestUnusable | None = None
        self._not_put_away = 0  # files of stored photos that the disk refused to move, copy or delete
        self._first_not_put_away = ""
        self._cut_short = False  # a photo was left, or a picture, because the run is to end

    def through(self, files: Iterator[SourceFile], source: Source) -> tuple[StopReason | None, ExitCode, str | None]:
        """Work through the files; return why it stopped early, None if it did not, exit code and message."""
        with ThreadPoolExecutor(source.readers) as readers, ThreadPoolExecutor(MOST_IN_FLIGHT) as senders:
            try:
                self._work_through(files, source, readers, senders)
                self._keep_pictures()
            finally:
                reason = self.sender.stop_reason
                self.sender.stop(StopReason.INTERRUPTED)  # whatever ends the run, nothing is sent while it unwinds
        rest = sum(1 for _ in files)
        self.counts = self.counts.plus(left=rest)
        if reason is not None and (rest or self._cut_short):  # else it came when every photo had had its turn
            return reason, _EXIT_CODES[reason], str(self._why or reason.value)
        if self._not_put_away:
            return None, ExitCode.RESULTS, f"{self._not_put_away} not put away: {self._first_not_put_away}"
        return None, (ExitCode.PHOTOS_FAILED if self.newly_failed else ExitCode.OK), None

    def _work_through(
        self, files: Iterator[SourceFile], source: Source, readers: ThreadPoolExecutor, senders: ThreadPoolExecutor
    ) -> None:
        """Send what is new, and store what comes back, until nothing is left or nothing more is sent."""
        try:
            model = self.sender.describe()
            self.manifest = read_manifest(source, model.classes)
            with self.database.writing() as connection:
                runs.set_versions(connection, self.run, model.model_version, model.contract_version)
            while self.sender.stop_reason is None and (group := list(itertools.islice(files, _GROUP))):
                self._submit(group, model, readers, senders)
                self._collect(most_in_flight=_GROUP)
            self._collect(most_in_flight=0)
        except ServiceAway as error:
            self._why, self._cut_short = error, True
        except ManifestUnusable as error:
            self._why, self._cut_short = error, True
            self.sender.stop(StopReason.MANIFEST)
        except Stopped:
            self._cut_short = True  # before the first photo
        except SourceLost:  # without its manifest a photo would get a record of another return
            self.sender.stop(StopReason.SOURCE_LOST)
            self._cut_short = True

    def _submit(
        self, group: list[SourceFile], model: ServedModel, readers: ThreadPoolExecutor, senders: ThreadPoolExecutor
    ) -> None:
        """Hash a group, store what is decided without the service, and hand the rest to the senders."""
        settled = settle(group, readers)
        self.counts = self.counts.plus(left=len(group) - len(settled))
        read = list(
            readers.map(lambda file: self.work.read(file, self.name, self.manifest.entry(file.filename)), settled)
        )
        found = [photo for photo, result in read if result is None]
        known, answers = self._look_up(found, model)
        with self.database.writing() as connection:
            for photo in found:
                if photo.key in known:
                    photos.store_known(connection, self.run, known[photo.key], photo.expected_category)
            self.counts = self.counts.plus(known=len(known))
            runs.set_counts(connection, self.run, self.counts)
        decided: list[tuple[Photo, Result]] = [(photo, result) for photo, result in read if result is not None]
        for photo in found:
            if photo.key in known:
                self._finish(photo, known[photo.key])
            elif photo.key in answers:
                decided.append((photo, self.work.reuse(photo, answers[photo.key])))
            else:
                self._in_flight[senders.submit(self.work.classify, photo)] = photo
        self._take(decided)

    def _look_up(
        self, found: list[Photo], model: ServedModel
    ) -> tuple[dict[PhotoKey, Known], dict[PhotoKey, dict[str, Any]]]:
        """Return what need not be sent: photos that are known, and answers to the same bytes under another name.

        A photo that shall be sent again is in neither.
        """
        if self.options.resend is Resend.ALL:
            return {}, {}
        versions = (model.model_version, model.contract_version)
        with self.database.reading() as connection:
            known = photos.find_known(connection, [photo.key for photo in found], *versions)
            new = [photo.key for photo in found if photo.key not in known]
            answers = photos.find_answers(connection, new, *versions)
        if self.options.resend is Resend.FAILED:
            known = {key: entry for key, entry in known.items() if entry.status != "failed"}
        return known, {key: answers[key.sha256] for key in new if key.sha256 in answers}

    def _finish(self, photo: Photo, known: Known) -> None:
        """Do what a kill may have kept an earlier run from doing, or a new manifest makes necessary."""
        mismatch = photo.expected_category not in (None, known.predicted_class)
        if known.status == "classified" and (known.for_a_person or mismatch):
            self._for_a_person.append((photo, known))
        else:
            self._dispose(photo, known)

    def _collect(self, most_in_flight: int) -> None:
        """Wait until few enough photos are in flight, and store what was answered."""
        suspects: list[Photo] = []
        done: list[tuple[Photo, Result]] = []
        while len(self._in_flight) > (0 if suspects else most_in_flight):
            for future in wait(self._in_flight, return_when=FIRST_COMPLETED).done:
                photo = self._in_flight.pop(future)
                if isinstance(result := future.result(), Suspect):
                    suspects.append(photo)
                else:
                    done.append((photo, result))
        self._take(done)
        for photo in suspects:  # nothing else is in flight now
            self._take([(photo, self.work.classify_alone(photo))])

    def _take(self, results: list[tuple[Photo, Result]]) -> None:
        """Store results and counts in one transaction, so that they agree whatever happens next."""
        outcomes = [(photo, result) for photo, result in results if isinstance(result, Classified | Failed)]
        failed = sum(isinstance(outcome, Failed) for _, outcome in outcomes)
        for _, result in results:
            if isinstance(result, ServiceAway):
                self._why = self._why or result
            self._cut_short |= isinstance(result, ServiceAway | Stopped)
        left = len(results) - len(outcomes)
        counts = self.counts.plus(classified=len(outcomes) - failed, failed=failed, left=left)
        done: list[tuple[Photo, Classified | Failed]] = []
        outcomes.sort(key=lambda pair: pair[0].file.filename)  # answers come in any order
        with self.database.writing() as connection:
            repeats = photos.store(connection, self.run, *(outcome for _, outcome in outcomes))
            runs.set_counts(connection, self.run, counts)
        for (photo, outcome), repeat in zip(outcomes, repeats, strict=True):
            if isinstance(outcome, Classified) and (repeat or is_for_a_person(outcome)):
                self._for_a_person.append((photo, outcome))
            else:
                done.append((photo, outcome))
        self.counts = counts
        self.newly_failed += failed
        self.sent += sum(not (isinstance(outcome, Classified) and outcome.reused) for _, outcome in outcomes)
        for photo, outcome in done:
            self._dispose(photo, outcome)
        self.progress(counts)
        if len(self._for_a_person) >= _PICTURES_AT_ONCE:
            self._keep_pictures()

    def _keep_pictures(self) -> None:
        """Make the desk's pictures of stored photos, then dispose of their files; what gives no picture stays.

        Not while the service answers: the two want the same processors, and an answer is worth more. A run that is
        interrupted leaves them to the next, which finds the photos known and their pictures missing.
        """
        with ThreadPoolExecutor(DECODERS) as decoders:
            kept = decoders.map(self._keep_picture, [photo for photo, _ in self._for_a_person])
            for (photo, outcome), is_kept in zip(self._for_a_person, kept, strict=True):
                if is_kept:
                    self._dispose(photo, outcome)
        self._for_a_person = []

    def _keep_picture(self, photo: Photo) -> bool:
        over = (StopReason.INTERRUPTED, StopReason.SOURCE_LOST)
        kept = self.sender.stop_reason not in over and self.work.keep_picture(photo)
        self._cut_short |= not kept and self.sender.stop_reason in over
        return kept

    def _dispose(self, photo: Photo, outcome: Classified | Failed | Known) -> None:
        """Move, copy or delete the file of a stored outcome; one that the disk refuses keeps no other back."""
        if self.sender.stop_reason is StopReason.SOURCE_LOST:
            return
        try:
            if isinstance(outcome, Classified) or (isinstance(outcome, Known) and outcome.status == "classified"):
                self.options.disposal.classified(photo.file, photo.key.sha256)
            elif isinstance(outcome, Known) or outcome.photo_fault:
                code, message = outcome.code or "", outcome.message or ""
                self.options.disposal.at_fault(photo.file, photo.key.sha256, code, message)
        except SourceLost:
            self.sender.stop(StopReason.SOURCE_LOST)  # its outcome is stored; the next run puts the file away
        except OSError as error:
            sentence = f"{photo.file.filename} cannot be put away: {error.strerror or error}"
            log.error("run %d: %s", self.run, sentence, extra={"fields": {"run": self.run}})
            self._not_put_away += 1
            self._first_not_put_away = self._first_not_put_away or sentence
