"""The shop's pictures of what was ordered: which of them have a picture for the desk."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, exists, select

from results.schema import photos, product_photos
from results.sql import insert_into, now

_ROWS = 500
_column = product_photos.c


@dataclass(frozen=True)
class ProductPhoto:
    """The shop's picture of what was ordered.

    Attributes:
        path: in the source.
        sha256: of the file's bytes; its picture lies under it as :mod:`results.media_layout` says. None if the file
            could not be read, or no run has looked at it yet.
        problem: why there is no picture; None if there is one, or no run has looked yet.
    """

    path: str
    sha256: str | None = None
    problem: str | None = None


def of_photos(connection: Connection, photo_ids: Collection[int]) -> dict[int, ProductPhoto]:
    """Return the product photo of each of these photos, by photo id; a photo without one is left out."""
    found: dict[int, ProductPhoto] = {}
    ids = sorted(photo_ids)
    same = and_(_column.source == photos.c.source, _column.path == photos.c.product_photo)
    columns = (photos.c.id, photos.c.product_photo, _column.sha256, _column.problem)
    for start in range(0, len(ids), _ROWS):
        query = select(*columns).select_from(photos.outerjoin(product_photos, same))
        some = photos.c.id.in_(ids[start : start + _ROWS])
        for row in connection.execute(query.where(some, photos.c.product_photo.is_not(None))):
            found[row.id] = ProductPhoto(row.product_photo, row.sha256, row.problem)
    return found


def find(connection: Connection, source: str, paths: Sequence[str]) -> dict[str, ProductPhoto]:
    """Return what is stored of product photos of a source, by path."""
    found: dict[str, ProductPhoto] = {}
    for start in range(0, len(paths), _ROWS):
        some = and_(_column.source == source, _column.path.in_(paths[start : start + _ROWS]))
        for row in connection.execute(select(product_photos).where(some)):
            found[row.path] = ProductPhoto(row.path, row.sha256, row.problem)
    return found


def store(connection: Connection, source: str, found: Iterable[ProductPhoto]) -> None:
    """Store what a run found out about product photos of a source."""
    rows = [{"source": source, "changed_at": now(), **vars(one)} for one in found]
    if rows:
        new = insert_into(connection.dialect.name, product_photos)
        values = {name: new.excluded[name] for name in ("sha256", "problem", "changed_at")}
        connection.execute(new.on_conflict_do_update(index_elements=["source", "path"], set_=values), rows)


def forget_unnamed(connection: Connection, named: Iterable[tuple[str, str]]) -> list[str]:
    """Remove those of some product photos that no photo names any more.

    Args:
        connection: in a transaction.
        named: pairs of source and path.

    Returns:
        The sha256 of the removed ones.
    """
    removed: list[str] = []
    for source, path in sorted(set(named)):
        is_named = exists().where(photos.c.source == source, photos.c.product_photo == path)
        which = and_(_column.source == source, _column.path == path, ~is_named)
        gone = connection.execute(delete(product_photos).where(which).returning(_column.sha256)).scalars()
        removed += [sha256 for sha256 in gone if sha256 is not None]
    return removed
