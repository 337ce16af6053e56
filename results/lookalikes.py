"""Which photos came before: exact copies, near copies, and pictures that only look similar."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, bindparam, func, select

from results.fingerprints import ROWS_PER_QUERY, Fingerprint, correlation, find_within, read_miniatures
from results.schema import fingerprints, photos

# Chosen on real photos. 500 phone photos were saved anew; the rule found all of them at JPEG quality 85 and 50, 99.6%
# at quality 30 and at half the size, and 97.4% when they were 15% brighter. Of 3,472,930 pairs of unrelated phone
# photos 60 are within five bits, and none of these reaches the correlation. The hash alone would give nearly every
# photo a repeat among a million. Of 23,254 studio photos on white, twins included, about 4 in 100 pass for another.
NEAR_BITS = 5
NEAR_CORRELATION = 0.995
MOST_SIMILAR = 100
# Five bits cost little to search. The search for similar photos goes on to eight only where five bits find too few: a
# phone photo then has 23 neighbours in a million (median; at most 593), a studio photo on white 383.
_SIMILAR_BITS = (5, 8)
_MOST_COMPARED = 200  # miniatures of the nearest photos; a longer list would not help a person
_ANY_ID = (1 << 63) - 1

# Every photo of a night is looked up, and building a statement takes longer than running it: build it once.
_EARLIEST_WITH_BYTES = select(func.min(photos.c.id)).where(
    photos.c.sha256 == bindparam("sha256"), photos.c.id < bindparam("before")
)


@dataclass(frozen=True)
class Repeat:
    """The earlier photo that a photo repeats: the same bytes (``exact``), or the same picture (``near``)."""

    photo_id: int
    kind: Literal["exact", "near"]


def find_exact(connection: Connection, sha256: str, before: int | None = None) -> Repeat | None:
    """Return the earliest photo with these bytes and an id below ``before``; None if there is none."""
    which = {"sha256": sha256, "before": _ANY_ID if before is None else before}
    earliest = connection.execute(_EARLIEST_WITH_BYTES, which).scalar()
    return Repeat(earliest, "exact") if earliest is not None else None


def find_near(
    connection: Connection, fingerprint: Fingerprint, sha256: str, return_id: str, before: int | None = None
) -> Repeat | None:
    """Return the earliest photo of another file that shows the same picture; None if there is none.

    Two photos of one return never repeat each other, because customers take several photos of the same item.

    Args:
        connection: for reading.
        fingerprint: of the photo.
        sha256: of the photo.
        return_id: of the photo's return; empty if it is not known.
        before: look only at photos with a smaller id; None looks at all.
    """
    alike = [other for other in _near_copies(connection, fingerprint) if other != sha256]
    earliest: int | None = None
    for start in range(0, len(alike), ROWS_PER_QUERY):
        query = select(func.min(photos.c.id)).where(photos.c.sha256.in_(alike[start : start + ROWS_PER_QUERY]))
        if return_id:
            query = query.where(photos.c.return_id != return_id)
        if before is not None:
            query = query.where(photos.c.id < before)
        found = connection.execute(query).scalar()
        if found is not None:
            earliest = found if earliest is None else min(earliest, found)
    return Repeat(earliest, "near") if earliest is not None else None


def find_earlier(connection: Connection, photo_id: int) -> Repeat | None:
    """Return what a stored photo repeats, by the rule that applied when it came, among the photos that still exist."""
    looks = photos.outerjoin(fingerprints, fingerprints.c.sha256 == photos.c.sha256)
    columns = (photos.c.sha256, photos.c.return_id, fingerprints.c.dhash, fingerprints.c.miniature)
    photo = connection.execute(select(*columns).select_from(looks).where(photos.c.id == photo_id)).one()
    repeat = find_exact(connection, photo.sha256, before=photo_id) if photo.sha256 else None
    if repeat is not None or photo.dhash is None:
        return repeat
    fingerprint = Fingerprint(photo.dhash % (1 << 64), photo.miniature)
    return find_near(connection, fingerprint, photo.sha256, photo.return_id, before=photo_id)


def find_similar(connection: Connection, photo_id: int, most: int = MOST_SIMILAR) -> list[str]:
    """Return the sha256 of the photos that look most like a photo, nearest first, without its own.

    This search is looser than the rule for repeats. It helps a person who wonders where an item was seen before, and
    it accuses nobody. Photos are ordered by the Hamming distance of the hashes, then by the correlation of the
    miniatures.

    Args:
        connection: for reading.
        photo_id: of the photo. The list is empty for a photo that does not exist, has no fingerprint, or shows nothing.
        most: photos to return at most.
    """
    query = select(fingerprints).join(photos, photos.c.sha256 == fingerprints.c.sha256).where(photos.c.id == photo_id)
    own = connection.execute(query).mappings().first()
    if own is None:
        return []
    near: dict[int, int] = {}
    for most_bits in _SIMILAR_BITS:
        near = find_within(connection, own["dhash"], most_bits)
        near.pop(own["id"], None)
        if len(near) >= most:
            break
    ids = sorted(near, key=lambda number: (near[number], number))[:_MOST_COMPARED]
    found = [
        (near[number], -correlation(own["miniature"], miniature), sha256)
        for number, sha256, miniature in read_miniatures(connection, ids)
    ]
    return [sha256 for _, _, sha256 in sorted(found)[:most]]


def _near_copies(connection: Connection, fingerprint: Fingerprint) -> Iterator[str]:
    """Yield the sha256 of each photo that shows the same picture."""
    ids = sorted(find_within(connection, fingerprint.dhash, NEAR_BITS))
    for _, sha256, miniature in read_miniatures(connection, ids):
        if correlation(fingerprint.miniature, miniature) >= NEAR_CORRELATION:
            yield sha256
