"""What people decide about photos. Verdicts are only ever added: an undo is one more, and erases nothing."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, exists, insert, select

from results.schema import photos, predictions_history, reviews
from results.sql import now

# What the column `verdict` holds is one of these, or, for a category, `confirmed` (it is what the model said) or
# `corrected`; `undone` takes an earlier verdict back.
Kind = Literal["category", "not_ours", "unusable"]

_undo = reviews.alias("undo")
_is_verdict = reviews.c.verdict != "undone"
_is_undone = exists().where(_undo.c.undoes == reviews.c.id)


@dataclass(frozen=True)
class Verdict:
    """A person's decision about one photo.

    Attributes:
        photo_id: of which photo.
        prediction_id: of the answer that the person saw.
        kind: ``category``, ``not_ours`` (none of them) or ``unusable`` (nobody could tell from this photo).
        to_class: the category; None for the other kinds.
    """

    photo_id: int
    prediction_id: int
    kind: Kind
    to_class: str | None


class NoSuchPhoto(LookupError):
    """There is no such photo, or no such answer of it: it was purged, or never was."""


class AlreadyReviewed(RuntimeError):
    """A verdict stands already; nothing was stored.

    Args:
        standing: its columns.
    """

    def __init__(self, standing: dict[str, Any]) -> None:
        super().__init__(f"photo {standing['photo_id']} was decided by {standing['reviewer']}")
        self.standing = standing


class CannotUndo(RuntimeError):
    """There is nothing to undo, or it is not this person's; the message says which."""


def has_standing_verdict(photo_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that a verdict on the photo stands."""
    return exists().where(reviews.c.photo_id == photo_id, _is_verdict, ~_is_undone)


def is_standing() -> ColumnElement[bool]:
    """Return the condition that a row of the table ``reviews`` is a verdict that nobody took back."""
    return and_(_is_verdict, ~_is_undone)


def standing_verdict(connection: Connection, photo_id: int) -> dict[str, Any] | None:
    """Return the verdict on a photo that stands; None if there is none."""
    query = select(reviews).where(reviews.c.photo_id == photo_id, is_standing()).order_by(reviews.c.id.desc())
    row = connection.execute(query).mappings().first()
    return dict(row) if row is not None else None


def history(connection: Connection, photo_id: int) -> list[dict[str, Any]]:
    """Return everything that people decided about a photo, undone verdicts and undoings included, the oldest first."""
    query = select(reviews, _is_undone.label("is_undone")).where(reviews.c.photo_id == photo_id).order_by(reviews.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def store_verdict(connection: Connection, reviewer: str, verdict: Verdict) -> int:
    """Store a verdict and return its id; the caller refreshes the photo's place in the queue.

    Args:
        connection: in a transaction.
        reviewer: who decided.
        verdict: what.

    Raises:
        NoSuchPhoto: as it says.
        AlreadyReviewed: somebody was faster.
    """
    _lock_photo(connection, verdict.photo_id)
    answer = predictions_history.c
    from_class = connection.execute(
        select(answer.predicted_class).where(answer.id == verdict.prediction_id, answer.photo_id == verdict.photo_id)
    ).scalar()
    if from_class is None:
        raise NoSuchPhoto(f"photo {verdict.photo_id} has no answer {verdict.prediction_id}")
    if standing := standing_verdict(connection, verdict.photo_id):
        raise AlreadyReviewed(standing)
    kind: str = verdict.kind
    if verdict.kind == "category":
        kind = "confirmed" if verdict.to_class == from_class else "corrected"
    row = {
        "photo_id": verdict.photo_id,
        "prediction_id": verdict.prediction_id,
        "verdict": kind,
        "from_class": from_class,
        "to_class": verdict.to_class,
    }
    return _insert(connection, reviewer, row)


def undo(connection: Connection, reviewer: str, review_id: int, may_undo_others: bool) -> int:
    """Take a verdict back and return the photo's id; the caller refreshes its place in the queue.

    Raises:
        NoSuchPhoto: there is no such verdict.
        CannotUndo: it is undone already, or another person's.
    """
    verdict = connection.execute(select(reviews).where(reviews.c.id == review_id, _is_verdict)).mappings().first()
    if verdict is None:
        raise NoSuchPhoto(f"there is no verdict {review_id}")
    _lock_photo(connection, verdict["photo_id"])
    standing = standing_verdict(connection, verdict["photo_id"])
    if standing is None or standing["id"] != review_id:
        raise CannotUndo("this verdict was taken back already")
    if verdict["reviewer"] != reviewer and not may_undo_others:
        raise CannotUndo(f"this is a verdict of {verdict['reviewer']}; only they or an admin can take it back")
    row = {name: verdict[name] for name in ("photo_id", "prediction_id", "from_class")}
    _insert(connection, reviewer, {**row, "to_class": None, "verdict": "undone", "undoes": review_id})
    return int(verdict["photo_id"])


def _insert(connection: Connection, reviewer: str, row: dict[str, Any]) -> int:
    new = insert(reviews).values(reviewer=reviewer, created_at=now(), **row)
    return int(connection.execute(new.returning(reviews.c.id)).scalar_one())


def _lock_photo(connection: Connection, photo_id: int) -> None:
    """Let one verdict at a time look at a photo. SQLite has one writer anyway; PostgreSQL has to be told."""
    locked = select(photos.c.id).where(photos.c.id == photo_id).with_for_update()
    if connection.execute(locked).scalar() is None:
        raise NoSuchPhoto(f"there is no photo {photo_id}")
