"""What happens to one photo: read, sent, answered, its picture kept for the review desk."""

import hashlib
import logging
import os
import random
import threading
from dataclasses import dataclass
from typing import Any

from batch_client.inference.retry import Sender, ServiceAway, Stopped, StopReason, Suspect
from batch_client.pipeline.pictures import MediaStore
from batch_client.sources.local import sha256_of
from batch_client.sources.manifest import Entry
from batch_client.sources.source import SourceFile, SourceLost
from results.database import ResultsError
from results.fingerprints import Fingerprint
from results.photos import Classified, Failed, PhotoKey
from service_client.responses import PhotoRejected, Prediction, ServiceFault

LARGEST_PHOTO = 50_000_000  # bytes; the service refuses more, so sending it would be for nothing
DECODERS = min(4, os.cpu_count() or 1)  # photos decoded here at once: more would take memory and gain no time


@dataclass(frozen=True)
class Photo:
    """A file as it was found.

    Attributes:
        file: where it lies.
        key: what tells it from others.
        bytes: its size.
        expected_category: what the manifest says it shows.
    """

    file: SourceFile
    key: PhotoKey
    bytes: int
    expected_category: str | None


@dataclass(frozen=True)
class Left:
    """The photo changed while it was sent, and has to wait for the next run."""


log = logging.getLogger("batch_client")
Result = Classified | Failed | Suspect | Left | Stopped | ServiceAway


class PhotoWork:
    """Turns photos into outcomes; used from many threads.

    Args:
        sender: who sends.
        media: where pictures for the review desk are kept.
        audit_share: of the accepted photos that a person shall look at, drawn at random.
        reads_once: keep a picture while the photo is in memory, for a source that is slow to read again.
    """

    def __init__(self, sender: Sender, media: MediaStore, audit_share: float, reads_once: bool = False) -> None:
        self.sender = sender
        self._media = media
        self._audit_share = audit_share
        self._reads_once = reads_once
        self._decoding = threading.BoundedSemaphore(DECODERS)

    def read(self, file: SourceFile, source: str, entry: Entry) -> tuple[Photo, Failed | Stopped | None]:
        """Hash a file; with what becomes of it when it cannot be read or is too large to send."""
        photo = Photo(file, PhotoKey(source, file.filename, "", entry.return_id), 0, entry.expected_category)
        if self.sender.stop_reason is not None:  # a source that is gone costs a time-out for each file
            return photo, Stopped()
        try:
            digest, size = sha256_of(file)
        except OSError as error:
            return photo, self._unreadable(photo, error)
        key = PhotoKey(source, file.filename, digest, entry.return_id)
        photo = Photo(file, key, size, entry.expected_category)
        if size > LARGEST_PHOTO:
            message = f"The file has {size} bytes, the limit is {LARGEST_PHOTO}. Save a smaller JPEG."
            return photo, _failed(photo, "too_many_bytes", message, photo_fault=True)
        return photo, None

    def classify(self, photo: Photo) -> Result:
        """Send a photo among others."""
        return self._send(photo, alone=False)

    def classify_alone(self, photo: Photo) -> Result:
        """Send a suspect while nothing else is in flight."""
        return self._send(photo, alone=True)

    def reuse(self, photo: Photo, answer: dict[str, Any]) -> Classified:
        """Return the answer that the same model gave to another photo with the same bytes.

        Args:
            photo: the photo.
            answer: as :func:`results.photos.find_answers` gives it.
        """
        names = ("predicted_class", "confidence", "decision", "reason", "top3", "model_version", "contract_version")
        return Classified(
            photo.key,
            photo.bytes,
            **{name: answer[name] for name in names},
            expected_category=photo.expected_category,
            audit=self._draw_audit(answer["decision"]),
            reused=True,
        )

    def keep_picture(self, photo: Photo) -> bool:
        """Keep a copy of a stored photo that a person will look at, unless there is one.

        Returns:
            False where none can be made of it now: then its file is all that there is to look at.

        Raises:
            ResultsError: the disk refuses.
        """
        if self._media.exists(photo.key.sha256):
            return True
        try:
            data = photo.file.read_bytes()
        except FileNotFoundError:
            return True  # its answer is stored all the same, and where it is back, the next run keeps it
        except OSError as error:
            if isinstance(error, SourceLost):
                self.sender.stop(StopReason.SOURCE_LOST)
            log.warning("%s: the desk gets no picture, for it cannot be read again: %s", photo.file.filename, error)
            return False
        return hashlib.sha256(data).hexdigest() != photo.key.sha256 or self._write_picture(photo, data)

    def _send(self, photo: Photo, alone: bool) -> Result:
        try:
            data = photo.file.read_bytes()
            if hashlib.sha256(data).hexdigest() != photo.key.sha256:
                return Left()  # still being written: the answer would belong to other bytes than its key
            answer = self.sender.classify_alone(data) if alone else self.sender.classify(data)
        except OSError as error:
            return self._unreadable(photo, error)
        except (ServiceAway, Stopped) as error:
            return error
        if isinstance(answer, Suspect):
            return answer
        outcome = self._outcome(photo, answer)
        if self._reads_once and isinstance(outcome, Classified) and is_for_a_person(outcome):
            self._write_picture(photo, data)
        return outcome

    def _unreadable(self, photo: Photo, error: OSError) -> Failed | Stopped:
        if isinstance(error, SourceLost):  # no other photo can be read either; the next run will try
            self.sender.stop(StopReason.SOURCE_LOST)
            return Stopped()
        message = f"It cannot be read: {error.strerror or error}."
        if isinstance(error, PermissionError):
            message += " Check its permissions."
        return _failed(photo, "unreadable_file", message, photo_fault=False)

    def _outcome(self, photo: Photo, answer: Prediction | PhotoRejected | ServiceFault) -> Classified | Failed:
        if isinstance(answer, PhotoRejected):
            return _failed(photo, answer.code, answer.message, photo_fault=True)
        if isinstance(answer, ServiceFault):
            message = f"The service answers other photos, but not this one: {answer.message}"
            return _failed(photo, "no_answer", message, photo_fault=False)
        seen = answer.fingerprint
        return Classified(
            photo.key,
            photo.bytes,
            answer.predicted_class,
            answer.confidence,
            answer.decision,
            answer.reason,
            answer.top,
            answer.model_version,
            answer.contract_version,
            photo.expected_category,
            audit=self._draw_audit(answer.decision),
            fingerprint=Fingerprint(seen.dhash, seen.miniature) if seen is not None else None,
        )

    def _draw_audit(self, decision: str) -> bool:
        return decision == "accept" and random.random() < self._audit_share

    def _write_picture(self, photo: Photo, data: bytes) -> bool:
        try:
            with self._decoding:
                written = self._media.write(photo.key.sha256, data)
        except OSError as error:
            raise ResultsError(f"MEDIA_DIR cannot be written: {error.strerror or error}") from error
        if not written:
            log.warning("%s: the desk gets no picture, for it cannot be decoded here", photo.file.filename)
        return written


def is_for_a_person(outcome: Classified) -> bool:
    """Tell whether somebody will look at a photo for its own sake; a repeat is found only among the results."""
    mismatch = outcome.expected_category not in (None, outcome.predicted_class)
    return outcome.decision == "review" or outcome.audit or mismatch


def _failed(photo: Photo, code: str, message: str, photo_fault: bool) -> Failed:
    return Failed(photo.key, photo.bytes, code, message, photo_fault, photo.expected_category)
