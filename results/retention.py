"""Choose the photos that may no longer be kept: by age, or by return."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, select

from results.schema import photos, predictions_history

_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_LONGEST_AGE = timedelta(days=36_500)


def parse_age(text: str) -> timedelta:
    """Return the time that ``36h``, ``90d`` or ``12w`` means.

    Raises:
        ValueError: it means nothing, or more than a hundred years; the message says what is understood.
    """
    match = re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip())
    age = timedelta(hours=int(match[1]) * _HOURS[match[2]]) if match else timedelta()
    if not timedelta() < age <= _LONGEST_AGE:
        raise ValueError(f"{text!r} is no age. Write hours, days or weeks: 36h, 90d, 12w; from 1h to {36_500}d.")
    return age


@dataclass(frozen=True)
class Doomed:
    """A photo record that is about to be removed, with what names it elsewhere."""

    id: int
    source: str
    filename: str
    sha256: str
    return_id: str


def older_than(moment_iso: str) -> ColumnElement[bool]:
    """Return the condition for photos whose newest prediction, or whose record without one, is older than a moment.

    Args:
        moment_iso: ISO 8601 with a time zone.

    Raises:
        ValueError: the moment cannot be read.
    """
    moment = datetime.fromisoformat(moment_iso)
    if moment.tzinfo is None:
        raise ValueError(f"{moment_iso!r} has no time zone; add Z for UTC.")
    newest = (
        select(predictions_history.c.timestamp)
        .where(predictions_history.c.photo_id == photos.c.id)
        .order_by(predictions_history.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    stored = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return func.coalesce(newest, photos.c.created_at) < stored


def of_return(return_id: str) -> ColumnElement[bool]:
    """Return the condition for the photos of one return.

    Raises:
        ValueError: the return id is empty, which would mean every photo without one.
    """
    if not return_id:
        raise ValueError("the return id is empty; name the return whose photos shall go.")
    return photos.c.return_id == return_id


def newest_moment(connection: Connection) -> datetime | None:
    """Return when the newest photo was stored or answered; None without photos.

    Retention counts from it where the clock is ahead of it: a clock that is a year ahead would delete everything.
    """
    moments = (
        connection.execute(select(func.max(predictions_history.c.timestamp))).scalar(),
        connection.execute(select(func.max(photos.c.created_at))).scalar(),
    )
    return max((datetime.fromisoformat(moment) for moment in moments if moment), default=None)


def count_selected(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Return how many photos a condition selects."""
    return int(connection.execute(select(func.count()).select_from(photos).where(condition)).scalar_one())


def list_selected(connection: Connection, condition: ColumnElement[bool], after: int, limit: int) -> list[Doomed]:
    """Return the next photos that a condition selects, by id; ``after`` is the id of the last one before."""
    columns = (photos.c.id, photos.c.source, photos.c.filename, photos.c.sha256, photos.c.return_id)
    query = select(*columns).where(condition, photos.c.id > after).order_by(photos.c.id).limit(limit)
    return [Doomed(*row) for row in connection.execute(query)]


def kept_names(
    connection: Connection, condition: ColumnElement[bool], doomed: Sequence[Doomed]
) -> set[tuple[str, str]]:
    """Return the pairs of filename and sha256 that a photo has which stays: one file may be in two sources."""
    names = sorted({photo.filename for photo in doomed})
    query = select(photos.c.filename, photos.c.sha256).where(photos.c.filename.in_(names), ~condition)
    return {(row.filename, row.sha256) for row in connection.execute(query)}
