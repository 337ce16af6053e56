"""The steps of one photo: it is read once, sent, and its picture is kept for the desk."""

import hashlib
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from batch_client.inference.retry import PoisonSuspect, RetryingClient
from batch_client.pipeline.photo import LARGEST_PHOTO, Answered, Deferred, Gone, Photo, classified, failed, too_large
from batch_client.pipeline.pictures import MediaStore
from batch_client.pipeline.resources import MemoryBudget
from batch_client.sources.manifest import ManifestEntry
from batch_client.sources.source import SourceFile, SourceLost
from batch_client.stop import Stopped, StopReason, StopSignal
from results.database import ResultsError
from results.orders import SEPARATOR, Decision, Rule, decide, unpack
from results.photos import Classified, PhotoKey
from service_client.client import PictureWish
from service_client.responses import PhotoRejected, Picture, Prediction, ServiceFault

_ENDS_TOO_EARLY = ("truncated_image", "empty_body")  # codes of the service for what an upload leaves that stalled

log = logging.getLogger("batch_client")


class PhotoProcessor:
    """The steps of one photo; used from many threads.

    Args:
        client: of the service.
        media: keeps the pictures for the desk.
        memory: budget for the bytes of all photos in work.
        stop: of the run.
        sample_rate: share of the accepted photos that a person looks at, drawn at random.
        settle_seconds: a photo that ends too early counts as unfinished while it is younger.
        keeps_all: keep the picture of each photo, and not only of those that a person looks at.
    """

    def __init__(
        self,
        client: RetryingClient,
        media: MediaStore,
        memory: MemoryBudget,
        stop: StopSignal,
        sample_rate: float,
        settle_seconds: float,
        keeps_all: bool = False,
    ) -> None:
        self.client = client
        self.memory = memory
        self._rule: Rule | None = None
        self.media = media
        self.keeps_all = keeps_all
        self._stop = stop
        self._sample_rate = sample_rate
        self._settle_seconds = settle_seconds

    def use(self, rule: Rule | None) -> None:
        """Set the rule that decides; None if the model has no order check, and the service decides."""
        self._rule = rule

    def read(self, file: SourceFile, source: str, entry: ManifestEntry) -> Photo:
        """Read a file once: hash its bytes and hold them.

        Raises:
            Stopped: the run is to end; a lost source ends it.
            Gone: there is no such file any more.
        """
        self._stop.check()  # reading from a source that is lost takes a time-out for each file
        state, _ = file.watch(0.0)
        key = PhotoKey(source, file.filename, "", entry.return_id)
        photo = Photo(file, key, 0, entry.order, state, time.time())
        try:
            return self._read(photo)
        except SourceLost as error:
            self._stop.stop(StopReason.SOURCE_LOST)
            raise Stopped from error
        except FileNotFoundError as error:
            raise Gone from error
        except OSError as error:
            message = f"It cannot be read: {error.strerror or error}."
            if isinstance(error, PermissionError):
                message += " Check its permissions."
            return replace(photo, failure=failed(photo, "unreadable_file", message, is_permanent=False))

    def process(self, photo: Photo) -> Answered | PoisonSuspect | Deferred:
        """Send a photo beside others.

        Raises:
            ServiceAway, Stopped: it was not answered.
        """
        wish = self._picture_wish(photo)
        answer = self.client.classify_with_retry(photo.data, wish, self._order(photo))
        return answer if isinstance(answer, PoisonSuspect) else self._answered(photo, answer, wish)

    def process_alone(self, photo: Photo) -> Answered | Deferred:
        """Send a suspect while nothing else is in flight.

        Raises:
            ServiceAway, Stopped: it was not answered.
        """
        wish = self._picture_wish(photo)
        return self._answered(photo, self.client.classify_alone(photo.data, wish, self._order(photo)), wish)

    def reuse(self, photo: Photo, prediction: dict[str, Any]) -> Answered:
        """Return the prediction that the same model made for the same bytes under another name.

        The decision follows from this photo's own order.

        Args:
            photo: the photo.
            prediction: from :func:`results.known_photos.find_answers`.
        """
        names = ("predicted_class", "confidence", "top3", "model_version", "contract_version")
        stored = prediction["probabilities"]
        probabilities = unpack(stored) if stored is not None else None
        decision, rule_id = Decision(prediction["decision"], prediction["reason"]), None
        if self._rule is not None and probabilities is not None:
            decision = decide(probabilities, photo.order.expected_category, self._rule)
            rule_id = self._rule.rule_id
        outcome = Classified(
            photo.key,
            photo.size,
            **{name: prediction[name] for name in names},
            **vars(decision),
            **vars(photo.order),
            audit=photo.is_sampled and decision.decision == "accept",
            reused=True,
            probabilities=probabilities,
            rule_id=rule_id,
        )
        return Answered(outcome)

    def has_picture(self, photo: Photo) -> bool:
        """Return whether the desk has a picture of these bytes."""
        return self.media.exists(photo.key.sha256)

    def fetch_picture(self, photo: Photo) -> Picture | None:
        """Request the picture of a photo whose outcome is stored; None if the service cannot make one.

        Raises:
            ServiceAway, Stopped: there was no answer; the next run tries again.
        """
        answer = self.request_picture(photo)
        return answer if isinstance(answer, Picture) else None

    def request_picture(self, photo: Photo) -> Picture | str | None:
        """Request a picture; return why there is none as a text, and None if the service did not answer to the photo.

        Raises:
            ServiceAway, Stopped: there was no answer; the next run tries again.
        """
        answer = self.client.classify_with_retry(photo.data, "always")
        if isinstance(answer, PhotoRejected):
            return f"{answer.code}: {answer.message}"
        if isinstance(answer, PoisonSuspect):
            return None
        return answer.picture or "the service can make no picture of it"

    def keep_picture(self, photo: Photo, picture: Picture | None) -> bool:
        """Write the picture of a photo.

        Returns:
            False if there is none: the file is then all that a person can look at.

        Raises:
            ResultsError: the disk refuses.
        """
        try:
            is_kept = picture is not None and self.media.write(photo.key.sha256, picture, photo.data)
        except OSError as error:
            raise ResultsError(f"MEDIA_DIR cannot be written: {error.strerror or error}") from error
        if not is_kept:
            log.warning("%s: the desk gets no picture: the service made none", photo.file.filename)
        return is_kept

    def remove_pictures(self, sha256s: Sequence[str]) -> None:
        """Remove pictures that nothing names any more.

        Raises:
            ResultsError: the disk refuses.
        """
        try:
            self.media.remove(sha256s)
        except OSError as error:
            raise ResultsError(f"MEDIA_DIR cannot be written: {error.strerror or error}") from error

    def _read(self, photo: Photo) -> Photo:
        size = photo.state[0] if photo.state is not None else None
        if size is not None and size > LARGEST_PHOTO:
            return too_large(photo, size)
        held = self.memory.hold(size)
        digest = hashlib.sha256()
        try:
            for chunk in photo.file.chunks():
                digest.update(chunk)
                held.data += chunk
                if len(held.data) > LARGEST_PHOTO:
                    held.release()
                    return too_large(photo, LARGEST_PHOTO)
        except BaseException:
            held.release()
            raise
        key, count = replace(photo.key, sha256=digest.hexdigest()), len(held.data)
        held.trim()
        return replace(photo, key=key, size=count, held=held, is_sampled=random.random() < self._sample_rate)

    def _order(self, photo: Photo) -> str | None:
        """Return the ordered categories as the service reads them; None where it has no order check."""
        expected = photo.order.expected_category
        if self._rule is None or expected is None:
            return None
        return expected.replace(SEPARATOR, ",")

    def _picture_wish(self, photo: Photo) -> PictureWish | None:
        if self.media.exists(photo.key.sha256):
            return None
        return "always" if photo.is_sampled or self.keeps_all else "review"

    def _answered(
        self, photo: Photo, answer: Prediction | PhotoRejected | ServiceFault, wish: PictureWish | None
    ) -> Answered | Deferred:
        now = photo.file.state()
        if now is not None and photo.state is not None and now != photo.state:
            return Deferred()
        if isinstance(answer, Prediction):
            is_wanted = wish == "always" or (wish == "review" and answer.decision == "review")
            return Answered(classified(photo, answer, self._rule), answer.picture, is_wanted and answer.picture is None)
        if isinstance(answer, PhotoRejected):
            if answer.code in _ENDS_TOO_EARLY and self._is_young(photo):
                return Deferred(is_unfinished=True)
            return Answered(failed(photo, answer.code, answer.message, is_permanent=True))
        message = f"The service answers other photos, but not this one: {answer.message}"
        return Answered(failed(photo, "no_answer", message, is_permanent=False))

    def _is_young(self, photo: Photo) -> bool:
        """Return whether a photo was written so recently that its upload may only have stalled."""
        age = photo.file.age()
        return age is not None and abs(age) < self._settle_seconds
