"""What is left to do for a photo whose outcome is stored: its picture for the desk, then its file."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from batch_client.inference.retry import ServiceAway
from batch_client.pipeline.earlier_pictures import EarlierPictures
from batch_client.pipeline.file_disposition import FileDisposition
from batch_client.pipeline.photo import Answered, Photo
from batch_client.pipeline.processor import PhotoProcessor
from batch_client.pipeline.progress import RunProgress
from batch_client.pipeline.resources import Stages
from batch_client.sources.source import SourceLost
from batch_client.stop import Stopped, StopReason, StopSignal
from results.known_photos import Known
from results.photos import Classified, Failed, PhotoKey
from service_client.responses import Picture

log = logging.getLogger("batch_client")
Stored = Classified | Failed | Known


class Finisher:
    """Finishes stored photos. The picture comes before the file: without it the file is all that there is to look at.

    Args:
        stages: do the work.
        processor: fetches and keeps pictures.
        disposition: puts files away.
        stop: of the run.
        progress: of the run.
        earlier_pictures: makes the picture of the photo that a photo repeats.
    """

    def __init__(
        self,
        stages: Stages,
        processor: PhotoProcessor,
        disposition: FileDisposition,
        stop: StopSignal,
        progress: RunProgress,
        earlier_pictures: EarlierPictures,
    ) -> None:
        self._stages = stages
        self._processor = processor
        self._disposition = disposition
        self._stop = stop
        self._progress = progress
        self._earlier_pictures = earlier_pictures

    def finish(self, photo: Photo, answer: Answered, needs_picture: bool, earlier: PhotoKey | None = None) -> None:
        """Start what is left to do for a photo of this run; its bytes are released when that is done.

        Args:
            photo: its outcome is stored.
            answer: of the service.
            needs_picture: a person will look at the photo.
            earlier: the photo of another file that it repeats.
        """
        if earlier is not None and not self._earlier_pictures.has(earlier):
            go_on = partial(self.finish, photo, answer, needs_picture)
            then = partial(self._on_earlier_picture, photo, earlier.filename, go_on)
            self._stages.fetching.submit(then, self._earlier_pictures.make, earlier)
        elif not needs_picture or self._processor.has_picture(photo):
            self._put_away(photo, answer.outcome)
        elif answer.picture is not None or answer.lacks_picture:
            self._keep_picture(photo, answer.outcome, answer.picture)
        else:
            self._fetch_picture(photo, answer.outcome)

    def resume(self, photo: Photo, known: Known, needs_picture: bool, earlier: PhotoKey | None = None) -> None:
        """Start what an earlier run did not do for a known photo."""
        if earlier is not None and not self._earlier_pictures.has(earlier):
            go_on = partial(self.resume, photo, known, needs_picture)
            then = partial(self._on_earlier_picture, photo, None, go_on)  # it was told when the repeat was found
            self._stages.fetching.submit(then, self._earlier_pictures.make, earlier)
        elif not needs_picture or self._processor.has_picture(photo):
            self._put_away(photo, known)
        else:
            self._fetch_picture(photo, known)

    def _on_earlier_picture(
        self, photo: Photo, told_as: str | None, go_on: Callable[[], None], future: Future[bool]
    ) -> None:
        try:
            is_made = future.result()
        except (ServiceAway, Stopped) as error:  # the next run finds the repeat known and the picture missing
            self._progress.cut_short(str(error))
            photo.release()
            return
        if not is_made and told_as is not None:
            self._progress.without_earlier_picture.append(told_as)
        go_on()

    def _fetch_picture(self, photo: Photo, outcome: Stored) -> None:
        then = partial(self._on_picture, photo, outcome)
        self._stages.fetching.submit(then, self._processor.fetch_picture, photo)

    def _on_picture(self, photo: Photo, outcome: Stored, future: Future[Picture | None]) -> None:
        try:
            self._keep_picture(photo, outcome, future.result())
        except (ServiceAway, Stopped) as error:  # the next run finds the photo known and its picture missing
            self._progress.cut_short(str(error))
            photo.release()

    def _keep_picture(self, photo: Photo, outcome: Stored, picture: Picture | None) -> None:
        then = partial(self._on_picture_kept, photo, outcome)
        self._stages.disk.submit(then, self._processor.keep_picture, photo, picture)

    def _on_picture_kept(self, photo: Photo, outcome: Stored, future: Future[bool]) -> None:
        if future.result():
            self._put_away(photo, outcome)
        else:
            photo.release()

    def _put_away(self, photo: Photo, outcome: Stored) -> None:
        rejection = _rejection(outcome)
        is_retried = isinstance(outcome, Failed) and not outcome.photo_fault
        is_unread = not photo.key.sha256  # too large, or unreadable: nobody can say what was moved
        if (
            is_retried
            or is_unread
            or self._disposition.leaves(rejection)
            or self._stop.reason is StopReason.SOURCE_LOST
        ):
            photo.release()
        else:
            then = partial(self._on_put_away, photo)
            self._stages.disk.submit(then, self._disposition.put_away, photo, rejection)

    def _on_put_away(self, photo: Photo, future: Future[None]) -> None:
        photo.release()
        try:
            future.result()
        except SourceLost:
            self._stop.stop(StopReason.SOURCE_LOST)  # the next run puts the file away
        except OSError as error:
            sentence = f"{photo.file.filename} cannot be put away: {error.strerror or error}"
            run_id = self._progress.run_id
            log.error("run %d: %s", run_id, sentence, extra={"fields": {"run": run_id}})
            self._progress.failed_to_put_away(sentence)


def _rejection(outcome: Stored) -> str | None:
    """Return why a photo was rejected; None if it is classified."""
    if isinstance(outcome, Failed) or (isinstance(outcome, Known) and outcome.status == "failed"):
        return f"{outcome.code or ''}: {outcome.message or ''}"
    return None
