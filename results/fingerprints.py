"""Fingerprints of pictures: a 64-bit difference hash that finds candidates, and a miniature that confirms them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import sqrt
from operator import mul
from typing import Any

from sqlalchemy import Connection, bindparam, select, union_all

from results.schema import fingerprints
from results.sql import insert_once

MINIATURE_BYTES = 8 * 8 * 3
ROWS_PER_QUERY = 500
_BANDS = tuple(range(first, 64, 3) for first in range(3))  # the bit numbers of each band

# Every photo of a night is looked up, and building a statement takes longer than running it: build it once.
# The lookup reads nothing but the indexes of the bands.
_found = union_all(
    *(
        select(fingerprints.c.id, fingerprints.c.dhash).where(
            fingerprints.c[f"band{number}"].in_(bindparam(f"values{number}", expanding=True))
        )
        for number in range(len(_BANDS))
    )
).subquery()
CANDIDATES = select(_found.c.id, _found.c.dhash)


@dataclass(frozen=True)
class Fingerprint:
    """What a picture looks like.

    Attributes:
        dhash: unsigned 64-bit difference hash; it finds pictures that may look alike.
        miniature: uint8 [8, 8, 3], RGB, never of a single colour; it confirms that two pictures look alike.
    """

    dhash: int
    miniature: bytes


def store_fingerprint(connection: Connection, sha256: str, fingerprint: Fingerprint) -> None:
    """Store the fingerprint of all photos with these bytes; an existing one stays."""
    connection.execute(insert_once(connection, fingerprints), fingerprint_row(sha256, fingerprint))


def fingerprint_row(sha256: str, fingerprint: Fingerprint) -> dict[str, Any]:
    """Return the columns of a row of the table ``fingerprints``."""
    bands = {f"band{number}": value for number, value in enumerate(bands_of(fingerprint.dhash))}
    return {"sha256": sha256, "dhash": to_signed(fingerprint.dhash), "miniature": fingerprint.miniature, **bands}


def remove_fingerprints(connection: Connection, sha256s: list[str]) -> None:
    """Delete the fingerprints of these photos."""
    connection.execute(fingerprints.delete().where(fingerprints.c.sha256.in_(sha256s)))


def find_within(connection: Connection, dhash: int, most_bits: int) -> dict[int, int]:
    """Find all fingerprints within a Hamming distance of a hash.

    The cost grows with the distance: up to 5 bits the query looks up 67 values, up to 8 bits 718.

    Args:
        connection: for reading.
        dhash: 64 bits, signed or unsigned.
        most_bits: the largest distance, in bits.

    Returns:
        The distance in bits by fingerprint id.
    """
    own = to_signed(dhash)
    found: dict[int, int] = {}
    for number, other in connection.execute(CANDIDATES, candidate_values(dhash, most_bits)):
        # Python counts the bits of a negative number's absolute value; the mask makes 64 unsigned bits of it.
        bits = ((other ^ own) & 0xFFFF_FFFF_FFFF_FFFF).bit_count()
        if bits <= most_bits:
            found[number] = bits
    return found


def read_miniatures(connection: Connection, ids: list[int]) -> Iterator[tuple[int, str, bytes]]:
    """Yield id, sha256 and miniature of each of these fingerprints."""
    columns = (fingerprints.c.id, fingerprints.c.sha256, fingerprints.c.miniature)
    for start in range(0, len(ids), ROWS_PER_QUERY):
        some = fingerprints.c.id.in_(ids[start : start + ROWS_PER_QUERY])
        yield from connection.execute(select(*columns).where(some))


def correlation(one: bytes, other: bytes) -> float:
    """Return Pearson's correlation of two miniatures.

    It is 1 for the same picture, and brightness and contrast do not change it.
    """
    n = MINIATURE_BYTES
    sum_one, sum_other = sum(one), sum(other)
    covariance = n * sum(map(mul, one, other)) - sum_one * sum_other
    spread_one = n * sum(map(mul, one, one)) - sum_one * sum_one
    spread_other = n * sum(map(mul, other, other)) - sum_other * sum_other
    return float(covariance / sqrt(spread_one * spread_other))


def candidate_values(dhash: int, most_bits: int) -> dict[str, list[int]]:
    """Return the band values under which every fingerprint within the distance is found, and some beyond it.

    By the pigeonhole principle, hashes within 5 bits differ by at most 1 bit in one of the three bands, and hashes
    within 8 bits by at most 2. The query therefore looks for the band's own value and for those that differ so little.
    """
    bits = most_bits // len(_BANDS)
    return {
        f"values{number}": [value ^ flipped for flipped in sparse_numbers(len(_BANDS[number]), bits)]
        for number, value in enumerate(bands_of(dhash))
    }


@cache
def sparse_numbers(width: int, most_bits: int) -> tuple[int, ...]:
    """Return all numbers of ``width`` bits with at most ``most_bits`` bits set."""
    return tuple(
        sum(1 << bit for bit in bits) for count in range(most_bits + 1) for bits in combinations(range(width), count)
    )


def bands_of(dhash: int) -> list[int]:
    """Return three interleaved slices of a hash, of 22, 21 and 21 bits.

    Neighbouring bits say much the same, most of all in the margin of a studio photo. Interleaved, each slice still
    tells pictures apart; contiguous slices gave two to five times as many candidates.
    """
    return [sum((dhash >> bit & 1) << place for place, bit in enumerate(band)) for band in _BANDS]


def to_signed(dhash: int) -> int:
    """Return 64 bits as the signed number that both engines store."""
    return dhash - (1 << 64) if dhash >> 63 else dhash
