"""One run: every photo of a source gets an answer, a reason, or a place among those left."""

import hashlib
import itertools
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from batch_client.answers import Prediction, Refusal, Trouble
from batch_client.exit_codes import ExitCode
from batch_client.intake import FoundFile, find_files, printable, sha256_of
from batch_client.sending import Sender, ServiceAway, Stopped, Suspect
from batch_client.service import ServedModel
from results import photos, runs
from results.database import Database
from results.photos import Classified, Failed, PhotoKey
from results.runs import Counts

MOST_IN_FLIGHT = 16  # requests: two server batches, so that one can form while another runs
LARGEST_PHOTO = 50_000_000  # bytes; the service refuses more, so sending it would be for nothing
_GROUP = 64  # files looked up together, and outcomes a transaction: what a killed run sends again at most
_READERS = 2  # threads that hash


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run: its id in the results.
        counts: where the photos went.
        exit_code: of the program.
        message: why it stopped early, if it did.
        seconds: how long it took.
        sent: photos that the service answered.
    """

    run: int
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


@dataclass(frozen=True)
class _Left:
    """A photo that has to wait for the next run."""


_Result = Classified | Failed | Suspect | _Left | ServiceAway
Progress = Callable[[Counts], None]


def run_source(database: Database, sender: Sender, source: Path, progress: Progress) -> Outcome:
    """Classify what is new in a folder and store it, group by group.

    The caller holds the lock of the results.

    Args:
        database: where results go.
        sender: who classifies.
        source: folder of photos.
        progress: called after each transaction with the counts so far.

    Raises:
        SourceError: the folder cannot be read; nothing was recorded.
        ResultsError: the results cannot be written; what was stored before stays.
    """
    started = time.monotonic()
    source = source.resolve()
    files = find_files(source)
    name = printable(str(source))
    with database.writing() as connection:
        runs.close_interrupted(connection)
        run = runs.start_run(connection, name)
    work = _Run(database, sender, name, run, progress)
    exit_code, message = work.through(files)
    with database.writing() as connection:
        runs.finish_run(connection, run, "stopped" if message else "finished", exit_code, work.counts, message)
    return Outcome(run, work.counts, exit_code, message, time.monotonic() - started, work.sent)


class _Run:
    """The state of one run."""

    def __init__(self, database: Database, sender: Sender, source: str, run: int, progress: Progress) -> None:
        self.database = database
        self.sender = sender
        self.source = source
        self.run = run
        self.progress = progress
        self.counts = Counts()
        self.newly_failed = 0
        self.sent = 0
        self._in_flight: dict[Future[_Result], _Photo] = {}
        self._away: ServiceAway | None = None

    def through(self, files: Iterable[FoundFile]) -> tuple[ExitCode, str | None]:
        """Work through the files; return the exit code and why it stopped early, None if it did not."""
        files = iter(files)
        with ThreadPoolExecutor(_READERS) as readers, ThreadPoolExecutor(MOST_IN_FLIGHT) as senders:
            try:
                model = self.sender.describe()
                with self.database.writing() as connection:
                    runs.set_versions(connection, self.run, model.model_version, model.contract_version)
                while not self.sender.is_stopped and (group := list(itertools.islice(files, _GROUP))):
                    self._submit(group, model, readers, senders)
                    self._collect(most_in_flight=_GROUP)
                self._collect(most_in_flight=0)
            except ServiceAway as error:
                self._away = error
            except Stopped:
                pass  # before the first photo
            finally:
                interrupted = self.sender.is_stopped and self._away is None
                self.sender.stop()  # whatever ended the run, nothing more is sent while it unwinds
        self.counts = self.counts.plus(left=sum(1 for _ in files))
        if self._away is not None:
            return ExitCode.SERVICE_AWAY, str(self._away)
        if interrupted:
            return ExitCode.INTERRUPTED, "interrupted"
        return (ExitCode.PHOTOS_FAILED if self.newly_failed else ExitCode.OK), None

    def _submit(
        self, group: list[FoundFile], model: ServedModel, readers: ThreadPoolExecutor, senders: ThreadPoolExecutor
    ) -> None:
        """Hash a group, store what is decided without the service, and hand the rest to the senders."""
        read = list(readers.map(self._read, group))
        failed = [item for item in read if isinstance(item, Failed)]
        found = [item for item in read if isinstance(item, _Photo)]
        with self.database.reading() as connection:
            keys = [photo.key for photo in found]
            known = photos.find_known(connection, keys, model.model_version, model.contract_version)
        again = [key for key, state in known.items() if state == "failed"]
        self.counts = self.counts.plus(known=len(known))
        self._store(failed, again)
        for photo in found:
            if photo.key not in known:
                self._in_flight[senders.submit(self._classify, photo)] = photo

    def _collect(self, most_in_flight: int) -> None:
        """Wait until few enough photos are in flight, and store what was answered."""
        suspects: list[_Photo] = []
        done: list[_Result] = []
        while len(self._in_flight) > (0 if suspects else most_in_flight):
            for future in wait(self._in_flight, return_when=FIRST_COMPLETED).done:
                photo = self._in_flight.pop(future)
                if isinstance(result := future.result(), Suspect):
                    suspects.append(photo)
                else:
                    done.append(result)
        self._take(done)
        for photo in suspects:  # nothing else is in flight now
            self._take([self._classify_alone(photo)])

    def _take(self, results: list[_Result]) -> None:
        """Count results and store those that are outcomes."""
        outcomes = [result for result in results if isinstance(result, Classified | Failed)]
        self.sent += len(outcomes)
        for result in results:
            if isinstance(result, ServiceAway):
                self._away = self._away or result
        self.counts = self.counts.plus(left=len(results) - len(outcomes))
        self._store(outcomes, [])

    def _store(self, outcomes: list[Classified | Failed] | list[Failed], again: list[PhotoKey]) -> None:
        """Store outcomes and counts in one transaction, so that they agree whatever happens next."""
        failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
        counts = self.counts.plus(classified=len(outcomes) - failed, failed=failed)
        with self.database.writing() as connection:
            for outcome in sorted(outcomes, key=lambda outcome: outcome.photo.filename):  # answers come in any order
                photos.store(connection, self.run, outcome)
            photos.store_known_failures(connection, self.run, again)
            runs.set_counts(connection, self.run, counts)
        self.counts = counts
        self.newly_failed += failed
        self.progress(counts)

    def _read(self, file: FoundFile) -> _Photo | Failed:
        try:
            digest, size = sha256_of(file.path)
        except OSError as error:
            return _unreadable(PhotoKey(self.source, file.filename, ""), 0, error)
        photo = _Photo(file, PhotoKey(self.source, file.filename, digest), size)
        if size > LARGEST_PHOTO:
            message = f"The file has {size} bytes, the limit is {LARGEST_PHOTO}. Save a smaller JPEG."
            return Failed(photo.key, size, "too_many_bytes", message, photo_fault=True)
        return photo

    def _classify(self, photo: _Photo) -> _Result:
        try:
            data = photo.file.path.read_bytes()
            if hashlib.sha256(data).hexdigest() != photo.key.sha256:
                return _Left()  # still being written: the answer would belong to other bytes than its key
            answer = self.sender.classify(data)
        except OSError as error:
            return _unreadable(photo.key, photo.bytes, error)
        except ServiceAway as error:
            return error
        except Stopped:
            return _Left()
        return answer if isinstance(answer, Suspect) else _to_outcome(photo, answer)

    def _classify_alone(self, photo: _Photo) -> _Result:
        try:
            return _to_outcome(photo, self.sender.classify_alone(photo.file.path.read_bytes()))
        except OSError as error:
            return _unreadable(photo.key, photo.bytes, error)
        except ServiceAway as error:
            return error
        except Stopped:
            return _Left()


def _unreadable(key: PhotoKey, size: int, error: OSError) -> Failed:
    message = f"It cannot be read: {error.strerror or error}. Check its permissions."
    return Failed(key, size, "unreadable_file", message, photo_fault=False)


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
