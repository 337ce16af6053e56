"""How long it takes to look among a million earlier photos for the one that a photo repeats, and for similar ones."""

import argparse
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pyarrow import parquet
from sqlalchemy import insert

from handler.decoding.decode import decode
from handler.fingerprint import fingerprint_of
from handler.offline import shipped_limits
from results.database import Database
from results.fingerprints import Fingerprint, fingerprint_row
from results.lookalikes import MOST_SIMILAR, find_exact, find_near, find_similar
from results.schema import fingerprints, photos
from results.sql import now

_ROWS_AT_ONCE = 10_000
_UPPER = 0xFFFF_FFFF << 32
_ON_A_PAGE = 12
_LIMITS = shipped_limits()


def main() -> None:
    """Fill a database and print how long the lookups take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--lookups", type=int, default=500)
    parser.add_argument("--database", help="a path or URL of an empty database; default: a temporary SQLite file")
    parser.add_argument(
        "--like", type=Path, help="a Parquet file with photos in its column image; default: hashes drawn"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(chosen.database or f"{folder}/results.db")
        hashes = _hashes(chosen.like)
        started = time.perf_counter()
        _fill(database, hashes, chosen.rows)
        print(f"{chosen.rows:,} photos stored in {time.perf_counter() - started:.0f} s, {database.engine.dialect.name}")
        _measure(database, hashes, chosen.rows, min(chosen.lookups, chosen.rows))
        database.close()
    # Source: getrusage(2): kilobytes on Linux.
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _hashes(like: Path | None) -> Callable[[int], int]:
    """Return what gives the hash of the photo of a number, always the same.

    A million real photos are not at hand: the upper half of one real photo's hash and the lower half of another's make
    a hash that keeps what matters here, the many bits that photos of one kind share.
    """
    if like is None:
        return lambda number: random.Random(number).getrandbits(64)
    images = parquet.read_table(like, columns=["image"]).column(0).to_pylist()
    found = [fingerprint_of(decode(image, _LIMITS)) for image in images]
    real = [int(entry["dhash"], 16) for entry in found if entry is not None]

    def crossed(number: int) -> int:
        upper, lower = random.Random(number).choices(real, k=2)
        return (upper & _UPPER) | (lower & ~_UPPER)

    return crossed


def _fill(database: Database, hashes: Callable[[int], int], rows: int) -> None:
    created = now()
    for start in range(0, rows, _ROWS_AT_ONCE):
        numbers = range(start, min(start + _ROWS_AT_ONCE, rows))
        with database.writing() as connection:
            connection.execute(
                insert(photos),
                [
                    {
                        "source": "/inbox",
                        "filename": f"{n}.jpg",
                        "sha256": _sha256(n),
                        "bytes": 1,
                        "created_at": created,
                    }
                    | {"status": "classified"}
                    for n in numbers
                ],
            )
            rows_of = [fingerprint_row(_sha256(n), Fingerprint(hashes(n), _miniature(n))) for n in numbers]
            connection.execute(insert(fingerprints), rows_of)


def _measure(database: Database, hashes: Callable[[int], int], rows: int, lookups: int) -> None:
    chosen = random.Random(0).sample(range(rows), lookups)
    with database.reading() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")
        exact = _times(lambda n: find_exact(connection, _sha256(n)) is not None, chosen)
        near = _times(
            lambda n: find_near(connection, Fingerprint(hashes(n) ^ 0b1011, _miniature(n)), "new", "") is not None,
            chosen,
        )
        new = _times(
            lambda n: find_near(connection, Fingerprint(hashes(rows + n), _miniature(rows + n)), "new", "") is None,
            chosen,
        )
        # Of the photo itself nothing is said, so what is expected is that there is anything alike.
        few, many = (
            _times(lambda n, most=most: find_similar(connection, n + 1, most) != [], chosen)  # type: ignore[misc]
            for most in (_ON_A_PAGE, MOST_SIMILAR)
        )
    for name, (milliseconds, right) in (
        ("exact", exact),
        ("near, a copy", near),
        ("near, a new photo", new),
        (f"{_ON_A_PAGE} similar photos", few),
        (f"{MOST_SIMILAR} similar photos", many),
    ):
        cuts = statistics.quantiles(milliseconds, n=100)
        print(f"{name:18} p50 {cuts[49]:7.2f} ms   p99 {cuts[98]:7.2f} ms   as expected: {right} of {lookups}")


def _times(look: Callable[[int], bool], numbers: Sequence[int]) -> tuple[list[float], int]:
    """Return how many milliseconds each lookup took, and how many found what they should."""
    milliseconds, right = [], 0
    for number in numbers:
        started = time.perf_counter()
        right += look(number)
        milliseconds.append((time.perf_counter() - started) * 1000)
    return milliseconds, right


def _sha256(number: int) -> str:
    return f"{number:064x}"


def _miniature(number: int) -> bytes:
    return random.Random(number).randbytes(192)


if __name__ == "__main__":
    main()
