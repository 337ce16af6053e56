"""What people say about a repeat: its photo shows the same item as the earlier photo, or another item.

Rows are only ever added: an undo is one more, and erases nothing. "Another item" settles the repeat, so that it no
longer stops its return. A verdict counts for one pair of photos.
"""

from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, exists, insert, or_, select

from results.reviews import NoSuchPhoto
from results.schema import photos, repeat_verdicts
from results.sql import now

Verdict = Literal["same_item", "another_item"]

_told = repeat_verdicts.c
_undo = repeat_verdicts.alias("undo")
_stands = and_(_told.verdict != "undone", ~exists().where(_undo.c.undoes == _told.id))


class NoRepeat(RuntimeError):
    """The photo does not repeat this earlier photo any more; nothing was stored."""


def is_another_item(photo_id: ColumnElement[int], earlier_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that a person called a photo and its earlier photo two items."""
    return exists().where(
        _told.photo_id == photo_id, _told.earlier_id == earlier_id, _told.verdict == "another_item", _stands
    )


def store(connection: Connection, person: str, photo_id: int, earlier_id: int, verdict: Verdict) -> int:
    """Store a verdict and return its id; the caller refreshes the photo. An earlier verdict on it is replaced.

    Raises:
        NoSuchPhoto: the photo was purged.
        NoRepeat: the photo does not repeat this one, or not any more.
    """
    locked = select(photos.c.repeat_of).where(photos.c.id == photo_id).with_for_update()
    photo = connection.execute(locked).first()
    if photo is None:
        raise NoSuchPhoto(f"there is no photo {photo_id}")
    if photo.repeat_of != earlier_id:
        raise NoRepeat(f"photo {photo_id} does not repeat photo {earlier_id}")
    take_back(connection, person, [photo_id])
    return _insert(connection, person, photo_id, earlier_id, verdict, None)


def take_back(connection: Connection, person: str, photo_ids: list[int], only: Verdict | None = None) -> list[int]:
    """Take back the standing verdicts on these photos, and return the photos; the caller refreshes them."""
    query = select(repeat_verdicts).where(_told.photo_id.in_(photo_ids), _stands)
    if only is not None:
        query = query.where(_told.verdict == only)
    rows = connection.execute(query).all()
    for row in rows:
        _insert(connection, person, row.photo_id, row.earlier_id, "undone", row.id)
    return [row.photo_id for row in rows]


def standing(connection: Connection, photo_ids: list[int]) -> list[dict[str, Any]]:
    """Return the verdicts that stand between these photos and any other photo, earlier or later, oldest first."""
    either = or_(_told.photo_id.in_(photo_ids), _told.earlier_id.in_(photo_ids))
    rows = connection.execute(select(repeat_verdicts).where(either, _stands).order_by(_told.id)).mappings()
    return [dict(row) for row in rows]


def _insert(
    connection: Connection, person: str, photo_id: int, earlier_id: int, verdict: str, undoes: int | None
) -> int:
    row = {"photo_id": photo_id, "earlier_id": earlier_id, "verdict": verdict, "undoes": undoes}
    new = insert(repeat_verdicts).values(person=person, created_at=now(), **row)
    return int(connection.execute(new.returning(repeat_verdicts.c.id)).scalar_one())
