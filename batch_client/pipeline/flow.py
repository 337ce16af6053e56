"""The way of all photos of a run through its stages: read, look up, send, store, keep the picture, put away."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from batch_client.errors import UsageError
from batch_client.inference.retry import PoisonSuspect, ServiceAway
from batch_client.pipeline.earlier_pictures import EarlierPictures
from batch_client.pipeline.finishing import Finisher
from batch_client.pipeline.manifest_work import ProductPhotoKeeper, apply_to_put_away
from batch_client.pipeline.options import Resend, RunOptions
from batch_client.pipeline.photo import Answered, Deferred, Gone, Photo, is_for_a_person
from batch_client.pipeline.processor import PhotoProcessor
from batch_client.pipeline.progress import RunEnd, RunProgress
from batch_client.pipeline.resources import Stages
from batch_client.pipeline.run_store import RunStore
from batch_client.sources.manifest import Manifest, read_manifest
from batch_client.sources.manifest_file import ManifestUnusable
from batch_client.sources.source import Source, SourceFile, SourceLost, settle
from batch_client.stop import Stopped, StopReason, StopSignal
from results.decision_rules import ThresholdRefused
from results.known_photos import Known
from results.lookalikes import Repeat
from results.photos import Classified, Failed, PhotoKey
from results.runs import Counts
from service_client.responses import ServedModel


@dataclass
class _Waiting:
    """Photos between two stages.

    Attributes:
        read: to be looked up in the results.
        unsent: to be sent once no suspect is left.
        suspects: to be sent alone.
        known: recorded before; to be noted in this run.
        answered: to be stored.
    """

    read: list[Photo] = field(default_factory=list)
    unsent: list[Photo] = field(default_factory=list)
    suspects: list[Photo] = field(default_factory=list)
    known: list[tuple[Photo, Known]] = field(default_factory=list)
    answered: list[tuple[Photo, Answered]] = field(default_factory=list)

    def count(self) -> int:
        """Return how many photos wait."""
        photos = len(self.read) + len(self.unsent) + len(self.suspects)
        return photos + len(self.known) + len(self.answered)


class PhotoFlow:
    """The main thread of a run: it moves photos from stage to stage, and it alone writes the results.

    Args:
        store: the results.
        processor: does the steps of one photo.
        stop: ends the run; what is in work is still stored or left to the next run.
        name: under which the source is stored.
        options: of the run.
        on_progress: called after each transaction with the counts so far.

    Attributes:
        progress: how far the run has come.
        manifest: of the source.
    """

    def __init__(
        self,
        store: RunStore,
        processor: PhotoProcessor,
        stop: StopSignal,
        name: str,
        options: RunOptions,
        on_progress: Callable[[Counts], None],
    ) -> None:
        self.progress = RunProgress(store.run_id)
        self.manifest = Manifest({})
        self._store = store
        self._processor = processor
        self._stop = stop
        self._name = name
        self._options = options
        self._on_progress = on_progress
        self._waiting = _Waiting()

    def process(self, files: Iterator[SourceFile], source: Source) -> RunEnd:
        """Work through the files of a source.

        Raises:
            ResultsError: results or disk cannot be written.
        """
        holds = self._options.shard.holds
        mine = (file for file in files if holds(file.filename))
        model = self._begin(source)
        files = (file for file in mine if file.filename not in self.manifest.not_photos)
        if model is not None:
            stages = Stages(source.max_concurrent_reads)
            disposition = self._options.disposition
            earlier = EarlierPictures(source, self._name, disposition.processed_folder, self._processor)
            finisher = Finisher(stages, self._processor, disposition, self._stop, self.progress, earlier)
            try:
                self._work_through(files, model, stages, finisher)
                self._finish_manifest(source, stages)
            except BaseException:
                self._stop.stop(StopReason.INTERRUPTED)  # nothing more is sent while the run unwinds
                raise
            finally:
                self._processor.memory.close()
                stages.close()
        return self.progress.finish(self._stop.reason, rest=sum(1 for _ in files))

    def _begin(self, source: Source) -> ServedModel | None:
        """Ask which model answers and read the manifest; None if the run ends here."""
        try:
            model = self._processor.client.describe()
            stored_names = partial(self._store.stored_names, self._name)
            options = self._options
            self.manifest = read_manifest(
                source, model.classes, options.settle_seconds, stored_names, options.category_map
            )
            self._processor.use(self._store.set_model(model, options.match_threshold))
        except (ServiceAway, Stopped) as error:
            self.progress.cut_short(str(error))
        except ManifestUnusable as error:
            self._stop.stop(StopReason.MANIFEST)
            self.progress.cut_short(str(error))
        except (UsageError, ThresholdRefused) as error:
            self._stop.stop(StopReason.SETTINGS)
            self.progress.cut_short(str(error))
        except SourceLost:  # without the manifest a photo would get the record of another return
            self._stop.stop(StopReason.SOURCE_LOST)
            self.progress.cut_short()
        else:
            return model
        return None

    def _finish_manifest(self, source: Source, stages: Stages) -> None:
        """Do what the manifest wants besides the photos of the source, which must not wait for it."""
        keeper = ProductPhotoKeeper(stages, self._processor, self._store, self._name, self._stop, self.progress)
        problems = apply_to_put_away(self._store, self._name, self.manifest, self._options.shard)
        problems += keeper.keep(source, self.manifest, self._options.shard)
        self.manifest = replace(self.manifest, problems=(*self.manifest.problems, *problems))

    def _work_through(
        self, files: Iterator[SourceFile], model: ServedModel, stages: Stages, finisher: Finisher
    ) -> None:
        """Keep all stages busy until no file is left, or the run is to end and all photos in work are settled."""
        has_more = True
        while True:
            in_work = stages.in_progress + self._waiting.count()
            has_more = has_more and self._stop.reason is None
            if has_more and in_work <= self._options.group:
                has_more = self._read_group(files, stages)
            elif not in_work:
                return
            stages.take_finished()
            self._look_up(model)
            self._send(stages)
            if self._is_store_due(stages):
                self._store_results(finisher)

    def _read_group(self, files: Iterator[SourceFile], stages: Stages) -> bool:
        """Start reading the next files; return False if there are none. A file that somebody is writing is left."""
        group = list(itertools.islice(files, self._options.group))
        # Not by the readers: they may wait for memory that only this thread can free.
        settled = settle(group, stages.disk.pool)
        self.progress.deferred += len(group) - len(settled)
        for file in settled:
            entry = self.manifest.entry(file.filename)
            if entry is None:
                self.progress.waiting_for_line += 1
                self.progress.deferred += 1
                continue
            stages.reading.submit(self._on_read, self._processor.read, file, self._name, entry)
        return bool(group)

    def _on_read(self, future: Future[Photo]) -> None:
        try:
            self._waiting.read.append(future.result())
        except Stopped as error:
            self._defer(None, error)
        except Gone:
            self.progress.gone += 1

    def _look_up(self, model: ServedModel) -> None:
        """Find out what need not be sent: known photos, and bytes that the model has seen under another name."""
        read, self._waiting.read = self._waiting.read, []
        known, predictions = self._known(read, model)
        for photo in read:
            record = known.get(photo.key)
            if record is not None and (photo.failure is None or photo.failure.code == record.code):
                if not self._may_need_picture(photo, record) or self._processor.has_picture(photo):
                    photo.release()
                self._waiting.known.append((photo, record))
            elif photo.failure is not None:
                self._waiting.answered.append((photo, Answered(photo.failure)))
            elif photo.key.sha256 in predictions:
                self._waiting.answered.append((photo, self._processor.reuse(photo, predictions[photo.key.sha256])))
            else:
                self._waiting.unsent.append(photo)

    def _known(self, read: list[Photo], model: ServedModel) -> tuple[dict[PhotoKey, Known], dict[str, dict[str, Any]]]:
        if not read or self._options.resend is Resend.ALL:
            return {}, {}
        known, predictions = self._store.look_up([photo.key for photo in read], model)
        if self._options.resend is Resend.FAILED:
            failed = {key.sha256 for key, record in known.items() if record.status == "failed"}
            known = {key: record for key, record in known.items() if record.status != "failed"}
            predictions = {sha256: value for sha256, value in predictions.items() if sha256 not in failed}
        return known, predictions

    def _send(self, stages: Stages) -> None:
        """Send photos together; while there is a suspect, send nothing else, and then the suspects one by one."""
        if self._waiting.suspects and not stages.sending.in_progress and not stages.fetching.in_progress:
            suspects, self._waiting.suspects = self._waiting.suspects, []
            for photo in suspects:
                try:
                    self._take(photo, self._processor.process_alone(photo))
                except (ServiceAway, Stopped) as error:
                    self._defer(photo, error)
        if not self._waiting.suspects:
            for photo in self._waiting.unsent:
                stages.sending.submit(partial(self._on_answer, photo), self._processor.process, photo)
            self._waiting.unsent = []

    def _on_answer(self, photo: Photo, future: Future[Answered | PoisonSuspect | Deferred]) -> None:
        try:
            self._take(photo, future.result())
        except (ServiceAway, Stopped) as error:
            self._defer(photo, error)

    def _take(self, photo: Photo, result: Answered | PoisonSuspect | Deferred) -> None:
        if isinstance(result, Answered):
            self._waiting.answered.append((photo, result))
        elif isinstance(result, PoisonSuspect):
            self._waiting.suspects.append(photo)
        else:
            self.progress.deferred += 1
            self.progress.unfinished += result.is_unfinished
            photo.release()

    def _defer(self, photo: Photo | None, error: ServiceAway | Stopped) -> None:
        """Leave a photo to the next run because this one is to end."""
        self.progress.deferred += 1
        self.progress.cut_short(str(error))
        if photo is not None:
            photo.release()

    def _is_store_due(self, stages: Stages) -> bool:
        """Return whether to store now: a group is complete, or readers may wait for the memory of what is answered."""
        waiting = [photo for photo, _ in (*self._waiting.known, *self._waiting.answered)]
        held = sum(photo.held_size for photo in waiting)
        is_idle = not (stages.sending.in_progress or self._waiting.unsent or self._waiting.suspects)
        return bool(waiting) and (
            len(waiting) >= self._options.group
            or held * 4 >= self._processor.memory.size
            or (is_idle and (held > 0 or not stages.reading.in_progress))
        )

    def _store_results(self, finisher: Finisher) -> None:
        """Store what is known and answered, then finish these photos."""
        known, self._waiting.known = self._waiting.known, []
        answered, self._waiting.answered = self._waiting.answered, []
        answered.sort(key=lambda pair: pair[0].file.filename)  # answers come in any order
        outcomes = [answer.outcome for _, answer in answered]
        counts = self.progress.plus(len(known), outcomes)
        for_a_person, repeats = self._store.store(known, outcomes, counts)
        self.progress.stored(counts, outcomes)
        near = [repeat.photo_id if repeat is not None and repeat.kind == "near" else None for repeat in repeats]
        ids = {number for number in (*near, *(record.near_repeat_of for _, record in known)) if number is not None}
        earlier = self._store.keys_of(ids)
        wanted = {key.sha256 for key in earlier.values()}
        for (photo, record), is_for_person in zip(known, for_a_person, strict=True):
            needs_picture = is_for_person or (self._processor.keeps_all and record.status == "classified")
            finisher.resume(photo, record, needs_picture, earlier.get(record.near_repeat_of or 0))
        here = {photo.key.sha256 for photo, _ in answered}  # their bytes are still held
        for (photo, answer), repeat, number in zip(answered, repeats, near, strict=True):
            needs_picture = photo.key.sha256 in wanted or self._needs_picture(answer.outcome, repeat)
            key = earlier.get(number or 0)
            finisher.finish(photo, answer, needs_picture, key if key is None or key.sha256 not in here else None)
        self._on_progress(counts)

    def _needs_picture(self, outcome: Classified | Failed, repeat: Repeat | None) -> bool:
        if isinstance(outcome, Failed):
            return False
        return self._processor.keeps_all or repeat is not None or is_for_a_person(outcome)

    def _may_need_picture(self, photo: Photo, known: Known) -> bool:
        """Return whether a known photo may need a picture; a new order can make it one that a person looks at."""
        is_ordered_anew = photo.order.expected_category != known.order.expected_category
        may_need = self._processor.keeps_all or known.for_a_person or is_ordered_anew
        return known.status == "classified" and may_need
