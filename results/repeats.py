"""Photos that came before: the same bytes again, or another file of the same picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import sqrt
from operator import mul
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, func, select, union_all

from results.schema import fingerprints, photos
from results.upsert import insert_once

MINIATURE_BYTES = 8 * 8 * 3
# Chosen on real photos. Of 500 phone photos saved anew were found: all at JPEG quality 85 and 50, 99.6% at 30 and at
# half the size, 97.4% when 15% brighter. Of 3,472,930 pairs of unrelated phone photos, 60 are within five bits, and
# none of these is as alike as this; by the hash alone, nearly every photo would have a repeat among a million. Of
# 23,254 studio photos on white, twins included, about four in a hundred pass for one of the others.
_MOST_BITS = 5
_LEAST_CORRELATION = 0.995
_BANDS = tuple(range(first, 64, 3) for first in range(3))  # the bits of each
_ROWS_AT_ONCE = 500
_ANY_ID = (1 << 63) - 1

# Of the photos that a night stores, every one is looked for: the statements are built once, for building them takes
# longer than running them.
_EARLIEST_WITH_BYTES = select(func.min(photos.c.id)).where(
    photos.c.sha256 == bindparam("sha256"), photos.c.id < bindparam("before")
)
# From the indexes of the bands alone.
_found = union_all(
    *(
        select(fingerprints.c.id, fingerprints.c.dhash).where(
            fingerprints.c[f"band{number}"].in_(bindparam(f"values{number}", expanding=True))
        )
        for number in range(len(_BANDS))
    )
).subquery()
_CANDIDATES = select(_found.c.id, _found.c.dhash)


@dataclass(frozen=True)
class Fingerprint:
    """What a picture looks like.

    Attributes:
        dhash: 64-bit difference hash; finds what may be alike.
        miniature: uint8 [8, 8, 3], RGB, never all of one colour; tells what is.
    """

    dhash: int
    miniature: bytes


@dataclass(frozen=True)
class Repeat:
    """The earlier photo that a photo repeats: the same bytes (``exact``), or the same picture (``near``)."""

    photo_id: int
    kind: Literal["exact", "near"]


def find_exact(connection: Connection, sha256: str, before: int | None = None) -> Repeat | None:
    """Return the earliest photo with these bytes, of those with an id below ``before``; None if there is none."""
    which = {"sha256": sha256, "before": _ANY_ID if before is None else before}
    earliest = connection.execute(_EARLIEST_WITH_BYTES, which).scalar()
    return Repeat(earliest, "exact") if earliest is not None else None


def find_near(
    connection: Connection, fingerprint: Fingerprint, sha256: str, return_id: str, before: int | None = None
) -> Repeat | None:
    """Return the earliest photo of another file that shows the same picture; None if there is none.

    Two photos of one return are never repeats of each other: a customer takes several of the same item.

    Args:
        connection: for reading.
        fingerprint: of the photo.
        sha256: of the photo.
        return_id: of the photo's return; empty if it is not known.
        before: look at photos with a smaller id only; None: at all.
    """
    alike = [other for other in _look_alikes(connection, fingerprint) if other != sha256]
    earliest: int | None = None
    for start in range(0, len(alike), _ROWS_AT_ONCE):
        query = select(func.min(photos.c.id)).where(photos.c.sha256.in_(alike[start : start + _ROWS_AT_ONCE]))
        if return_id:
            query = query.where(photos.c.return_id != return_id)
        if before is not None:
            query = query.where(photos.c.id < before)
        found = connection.execute(query).scalar()
        if found is not None:
            earliest = found if earliest is None else min(earliest, found)
    return Repeat(earliest, "near") if earliest is not None else None


def find_earlier(connection: Connection, photo_id: int) -> Repeat | None:
    """Return what a stored photo repeats, as it was decided when it came, of the photos that are still there."""
    looks_so = photos.outerjoin(fingerprints, fingerprints.c.sha256 == photos.c.sha256)
    columns = (photos.c.sha256, photos.c.return_id, fingerprints.c.dhash, fingerprints.c.miniature)
    photo = connection.execute(select(*columns).select_from(looks_so).where(photos.c.id == photo_id)).one()
    repeat = find_exact(connection, photo.sha256, before=photo_id) if photo.sha256 else None
    if repeat is not None or photo.dhash is None:
        return repeat
    fingerprint = Fingerprint(photo.dhash % (1 << 64), photo.miniature)
    return find_near(connection, fingerprint, photo.sha256, photo.return_id, before=photo_id)


def store_fingerprint(connection: Connection, sha256: str, fingerprint: Fingerprint) -> None:
    """Store what the photos with these bytes look like, once."""
    connection.execute(insert_once(connection, fingerprints), fingerprint_row(sha256, fingerprint))


def fingerprint_row(sha256: str, fingerprint: Fingerprint) -> dict[str, Any]:
    """Return the columns of a row of ``fingerprints``."""
    bands = {f"band{number}": value for number, value in enumerate(_bands(fingerprint.dhash))}
    return {"sha256": sha256, "dhash": _signed(fingerprint.dhash), "miniature": fingerprint.miniature, **bands}


def remove_fingerprints(connection: Connection, sha256s: list[str]) -> None:
    """Forget what these photos look like."""
    connection.execute(fingerprints.delete().where(fingerprints.c.sha256.in_(sha256s)))


def _look_alikes(connection: Connection, fingerprint: Fingerprint) -> Iterator[str]:
    """Give the sha256 of each photo that looks the same."""
    ids = sorted(find_within(connection, fingerprint.dhash, _MOST_BITS))
    for _, sha256, miniature in looks(connection, ids):
        if correlation(fingerprint.miniature, miniature) >= _LEAST_CORRELATION:
            yield sha256


def find_within(connection: Connection, dhash: int, most_bits: int) -> dict[int, int]:
    """Return the ids of all fingerprints within so many bits of a hash, each with the number of bits.

    What this costs grows with the bits: up to five, 67 values are looked up, up to eight, 718.
    """
    own = _signed(dhash)
    found: dict[int, int] = {}
    for number, other in connection.execute(_CANDIDATES, _candidates(dhash, most_bits)):
        # Negative numbers count the bits of their absolute value: the mask makes one of 64 bits of them.
        bits = ((other ^ own) & 0xFFFF_FFFF_FFFF_FFFF).bit_count()
        if bits <= most_bits:
            found[number] = bits
    return found


def looks(connection: Connection, ids: list[int]) -> Iterator[tuple[int, str, bytes]]:
    """Give of each of these fingerprints its id, the photo's sha256 and the miniature."""
    columns = (fingerprints.c.id, fingerprints.c.sha256, fingerprints.c.miniature)
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        some = fingerprints.c.id.in_(ids[start : start + _ROWS_AT_ONCE])
        yield from connection.execute(select(*columns).where(some))


def _candidates(dhash: int, most_bits: int) -> dict[str, list[int]]:
    """Return the values of the bands by which every fingerprint within so many bits is found, and some beyond.

    Of five bits in three bands, one band has at most one, and of eight, at most two: it is found under its own value,
    or under one of those that differ in so few bits.
    """
    bits = most_bits // len(_BANDS)
    return {
        f"values{number}": [value ^ flipped for flipped in _close_by(len(_BANDS[number]), bits)]
        for number, value in enumerate(_bands(dhash))
    }


@cache
def _close_by(width: int, most_bits: int) -> tuple[int, ...]:
    """Return the numbers of so many bits of which at most some are set."""
    return tuple(
        sum(1 << bit for bit in bits) for count in range(most_bits + 1) for bits in combinations(range(width), count)
    )


def _bands(dhash: int) -> list[int]:
    """Return every third bit of a hash as a number of its own: three, of 22, 21 and 21 bits.

    Neighbouring bits say much the same, a studio photo's margin above all: spread over the bands, they leave each band
    enough to tell pictures apart. Contiguous bands gave two to five times as many candidates.
    """
    return [sum((dhash >> bit & 1) << place for place, bit in enumerate(band)) for band in _BANDS]


def _signed(dhash: int) -> int:
    """Return 64 bits as the signed number that both engines store."""
    return dhash - (1 << 64) if dhash >> 63 else dhash


def correlation(one: bytes, other: bytes) -> float:
    """Return the correlation of two miniatures: 1 for the same picture, whatever its brightness and contrast."""
    n = MINIATURE_BYTES
    sum_one, sum_other = sum(one), sum(other)
    covariance = n * sum(map(mul, one, other)) - sum_one * sum_other
    spread_one = n * sum(map(mul, one, one)) - sum_one * sum_one
    spread_other = n * sum(map(mul, other, other)) - sum_other * sum_other
    return float(covariance / sqrt(spread_one * spread_other))
