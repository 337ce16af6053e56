"""One run: every photo of a source gets an answer, a reason, or a place among those left."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from batch_client.answers import Prediction, Refusal, Trouble
from batch_client.exit_codes import ExitCode
from batch_client.intake import FoundFile, find_files, sha256_of
from batch_client.service import ServedModel, Service, ServiceAway
from results import photos, runs
from results.database import Database
from results.photos import Classified, Failed, PhotoKey
from results.runs import Counts

CONCURRENCY = 8  # requests in flight: twice what one server batch needs to form while another runs
_GROUP = 64  # photos a transaction: what a killed run sends again at most
_LARGEST_PHOTO = 50_000_000  # bytes; the service refuses more, so reading it would be for nothing


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run: its id in the results.
        source: what it read.
        counts: where the photos went.
        exit_code: of the program.
        message: why it stopped early, if it did.
        seconds: how long it took.
        sent: photos that were posted, the failed ones included.
    """

    run: int
    source: str
    counts: Counts
    exit_code: ExitCode
    message: str | None
    seconds: float
    sent: int


@dataclass(frozen=True)
class _Photo:
    file: FoundFile
    key: PhotoKey
    bytes: int


Progress = Callable[[Counts], None]


def run_source(database: Database, service: Service, source: Path, progress: Progress) -> Outcome:
    """Classify what is new in a folder and store it, group by group.

    The caller holds the lock of the results.

    Args:
        database: where results go.
        service: who classifies.
        source: folder of photos.
        progress: called after each group with the counts so far.

    Raises:
        SourceError: the folder cannot be read; nothing was recorded.
        ResultsError: the results cannot be written; what was stored before stays.
    """
    started = time.monotonic()
    source = source.resolve()
    files = find_files(source)
    first = list(itertools.islice(files, 1))  # a folder that cannot be read is told before a run is recorded
    with database.writing() as connection:
        runs.close_interrupted(connection)
        run = runs.start_run(connection, str(source))
    work = _Run(database, service, str(source), run, progress)
    message = work.through(itertools.chain(first, files))
    exit_code = _exit_code(message, work.newly_failed)
    with database.writing() as connection:
        runs.finish_run(connection, run, "stopped" if message else "finished", exit_code, work.counts, message)
    return Outcome(run, str(source), work.counts, exit_code, message, time.monotonic() - started, work.sent)


def _exit_code(message: str | None, newly_failed: int) -> ExitCode:
    if message is not None:
        return ExitCode.SERVICE_AWAY
    return ExitCode.PHOTOS_FAILED if newly_failed else ExitCode.OK


class _Run:
    """The state of one run."""

    def __init__(self, database: Database, service: Service, source: str, run: int, progress: Progress) -> None:
        self.database = database
        self.service = service
        self.source = source
        self.run = run
        self.progress = progress
        self.counts = Counts()
        self.newly_failed = 0
        self.sent = 0

    def through(self, files: Iterable[FoundFile]) -> str | None:
        """Work through the files; return why it stopped early, None if it did not."""
        files = iter(files)
        try:
            model = self.service.describe()
            with self.database.writing() as connection:
                runs.set_versions(connection, self.run, model.model_version, model.contract_version)
            with ThreadPoolExecutor(CONCURRENCY) as pool:
                while group := list(itertools.islice(files, _GROUP)):
                    self._classify_group(group, model, pool)
        except ServiceAway as error:
            self.counts = self.counts.plus(left=sum(1 for _ in files))
            return str(error)
        return None

    def _classify_group(self, group: list[FoundFile], model: ServedModel, pool: ThreadPoolExecutor) -> None:
        """Send what is new in a group and store every outcome in one transaction.

        Raises:
            ServiceAway: after what was answered is stored and the rest is counted as left.
        """
        read = list(pool.map(self._read, group))
        outcomes: list[Classified | Failed] = [item for item in read if isinstance(item, Failed)]
        found = [item for item in read if isinstance(item, _Photo)]
        with self.database.reading() as connection:
            keys = [photo.key for photo in found]
            known = photos.find_known(connection, keys, model.model_version, model.contract_version)
        new = [photo for photo in found if photo.key not in known]
        away: ServiceAway | None = None
        for result in pool.map(self._classify, new):
            if isinstance(result, ServiceAway):
                away = away or result
            else:
                outcomes.append(result)
        answered = len(outcomes) - (len(read) - len(found))
        self.sent += answered
        failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
        self.newly_failed += failed
        self.counts = self.counts.plus(
            classified=len(outcomes) - failed, failed=failed, known=len(known), left=len(new) - answered
        )
        with self.database.writing() as connection:
            for outcome in outcomes:
                photos.store(connection, self.run, outcome)
            photos.mark_seen(connection, self.run, [key for key, state in known.items() if state == "failed"])
            runs.set_counts(connection, self.run, self.counts)
        self.progress(self.counts)
        if away is not None:
            raise away

    def _read(self, file: FoundFile) -> _Photo | Failed:
        try:
            digest, size = sha256_of(file.path)
        except OSError as error:
            key = PhotoKey(self.source, file.filename, "")
            return Failed(key, 0, "unreadable_file", f"The file cannot be read: {error.strerror}.", photo_fault=False)
        return _Photo(file, PhotoKey(self.source, file.filename, digest), size)

    def _classify(self, photo: _Photo) -> Classified | Failed | ServiceAway:
        if photo.bytes > _LARGEST_PHOTO:
            message = f"The file has {photo.bytes} bytes, the limit is {_LARGEST_PHOTO}. Save a smaller JPEG."
            return Failed(photo.key, photo.bytes, "too_many_bytes", message, photo_fault=True)
        try:
            answer = self.service.classify(photo.file.path.read_bytes())
        except ServiceAway as error:
            return error
        except OSError as error:
            message = f"The file vanished while it was read: {error.strerror}."
            return Failed(photo.key, photo.bytes, "unreadable_file", message, photo_fault=False)
        return _to_outcome(photo, answer)


def _to_outcome(photo: _Photo, answer: Prediction | Refusal | Trouble) -> Classified | Failed:
    if isinstance(answer, Refusal):
        return Failed(photo.key, photo.bytes, answer.code, answer.message, photo_fault=True)
    if isinstance(answer, Trouble):
        message = f"The service answers other photos, but not this one: {answer.message}"
        return Failed(photo.key, photo.bytes, "no_answer", message, photo_fault=False)
    return Classified(
        photo.key,
        photo.bytes,
        answer.predicted_class,
        answer.confidence,
        answer.decision,
        answer.reason,
        answer.top3,
        answer.model_version,
        answer.contract_version,
    )


def count_files(files: Iterator[FoundFile]) -> int:
    """Count the files of a source, for the progress bar."""
    return sum(1 for _ in files)
