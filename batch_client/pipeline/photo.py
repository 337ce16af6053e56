"""A photo as it was read, and what may come of it."""

import hashlib
from dataclasses import dataclass, replace

from batch_client.pipeline.resources import HeldBytes
from batch_client.sources.source import SourceFile, State
from results.fingerprints import Fingerprint
from results.orders import Decision, Order, Rule, decide, is_another, pack, unpack
from results.photos import Classified, Failed, PhotoKey
from service_client.responses import Picture, Prediction

LARGEST_PHOTO = 50_000_000  # bytes; the service refuses more


@dataclass(frozen=True, eq=False)
class Photo:
    """A file as it was read.

    Attributes:
        file: of the source.
        key: its identity in the results.
        size: bytes.
        order: what the manifest says was ordered.
        state: of the file before it was read.
        read_at: when its state was taken, in seconds since the epoch.
        held: its bytes; None if it cannot be sent.
        failure: why it cannot be sent.
        is_sampled: drawn for a spot check: a person looks at it although it is accepted.
    """

    file: SourceFile
    key: PhotoKey
    size: int
    order: Order
    state: State | None
    read_at: float
    held: HeldBytes | None = None
    failure: Failed | None = None
    is_sampled: bool = False

    @property
    def data(self) -> bytearray:
        """The bytes."""
        assert self.held is not None
        return self.held.data

    @property
    def held_size(self) -> int:
        """Bytes that are held in memory."""
        return len(self.held.data) if self.held is not None else 0

    def has_bytes_of(self, sha256: str) -> bool:
        """Return whether the bytes that are held have this hash."""
        return hashlib.sha256(self.data).hexdigest() == sha256

    def release(self) -> None:
        """Give back the memory of its bytes."""
        if self.held is not None:
            self.held.release()


@dataclass(frozen=True)
class Answered:
    """The outcome of a photo.

    Attributes:
        outcome: to be stored.
        picture: for the desk, if the service sent one.
        lacks_picture: the service was asked for the picture and sent none; asking again would not help.
    """

    outcome: Classified | Failed
    picture: Picture | None = None
    lacks_picture: bool = False


@dataclass(frozen=True)
class Deferred:
    """The photo waits for the next run.

    Attributes:
        is_unfinished: it ends too early, and is so young that it may still be being uploaded; else its file changed
            while it was sent.
    """

    is_unfinished: bool = False


class Gone(Exception):
    """The file was removed or renamed after it was listed."""


def is_for_a_person(outcome: Classified) -> bool:
    """Return whether a person looks at a photo for its own sake. Repeats are found only when it is stored."""
    is_other = outcome.match_verdict is None and is_another(outcome.predicted_class, outcome.expected_category)
    return outcome.decision == "review" or outcome.audit or is_other


def classified(photo: Photo, answer: Prediction, rule: Rule | None) -> Classified:
    """Return the outcome of a photo that the service classified.

    The rule decides by the probabilities as they are stored, so that a photo is decided now as it would be later.

    Args:
        photo: the photo.
        answer: of the service.
        rule: that decides; None leaves the decision to the service.
    """
    seen = answer.fingerprint
    if rule is not None and answer.probabilities is not None:
        stored = unpack(pack(answer.probabilities))
        decision, rule_id = decide(stored, photo.order.expected_category, rule), rule.rule_id
    else:
        match = (answer.match.probability, answer.match.verdict) if answer.match is not None else (None, None)
        decision, rule_id = Decision(answer.decision, answer.reason, *match), None
    return Classified(
        photo.key,
        photo.size,
        answer.predicted_class,
        answer.confidence,
        decision.decision,
        decision.reason,
        answer.top,
        answer.model_version,
        answer.contract_version,
        **vars(photo.order),
        audit=photo.is_sampled and decision.decision == "accept",
        fingerprint=Fingerprint(seen.dhash, seen.miniature) if seen is not None else None,
        probabilities=answer.probabilities,
        match_probability=decision.match_probability,
        match_verdict=decision.match_verdict,
        rule_id=rule_id,
    )


def failed(photo: Photo, code: str, message: str, is_permanent: bool) -> Failed:
    """Return the outcome of a photo that could not be classified."""
    return Failed(photo.key, photo.size, code, message, is_permanent, **vars(photo.order))


def too_large(photo: Photo, size: int) -> Photo:
    """Return a photo that is not read: it has no hash, and stays where it is."""
    message = f"The file has over {LARGEST_PHOTO} bytes. Save a photo as a smaller JPEG; videos are not classified."
    return replace(photo, size=size, failure=failed(replace(photo, size=size), "too_many_bytes", message, True))
