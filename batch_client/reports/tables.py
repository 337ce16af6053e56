"""One run as a table for other programs: CSV for spreadsheets, Parquet for analysis, JSON for everything else."""

import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from sqlalchemy import Connection, Float, Integer, Row

from batch_client.errors import UsageError
from batch_client.sources.names import visible
from results import runs
from results.reporting import EXPORT_COLUMNS, answers_query, failures_query, in_groups
from results.spreadsheet import BYTE_ORDER_MARK, escape_formula

_ROWS_AT_ONCE = 1_000
_ROW_END = "\r\n"  # of the csv module
_ROWS_PER_GROUP = 20_000  # of a Parquet file: some megabytes, whatever the size of the run


def export_csv(connection: Connection, run: int, file: TextIO) -> None:
    """Write what a run classified and what it could not, a row a photo, as CSV.

    The columns are those of the view ``predictions``, with the answer that this run gave, then ``status``
    (``classified``, ``failed``, or ``known_failed`` for one that failed before and was not sent again), ``error_code``
    and ``error_message``, then the present outcome as in the view ``outcomes``. Photos that were known as classified
    have their row in the run that classified them.

    The file is for spreadsheets, which decides two things. A text that begins with ``=``, ``+``, ``-``, ``@``, a tab or
    a carriage return gets a leading apostrophe, or a file name could be run as a formula; programs that need every name
    as it is read Parquet. And it begins with a byte order mark, without which Excel takes UTF-8 for the code page of
    the machine and garbles every name that is not plain English; Python reads it with ``encoding="utf-8-sig"``.

    Args:
        connection: for reading.
        run: its number.
        file: opened for text with ``newline=""`` and ``encoding="utf-8"``.

    Raises:
        UsageError: there is no such run.
    """
    existing_run(connection, run)
    file.write(BYTE_ORDER_MARK)
    writer = csv.writer(file)
    writer.writerow(EXPORT_COLUMNS)
    for group in _groups(connection, run, _ROWS_AT_ONCE):
        writer.writerows([escape_formula(value) for value in row] for row in group)


def export_json(connection: Connection, run: int, file: TextIO) -> None:
    """Write the table of ``export_csv`` as a JSON array with one object a line, every text as it is.

    ``top3`` is a list.

    Args:
        connection: for reading.
        run: its number.
        file: opened for text.

    Raises:
        UsageError: there is no such run.
    """
    existing_run(connection, run)
    before = "[\n"
    for group in _groups(connection, run, _ROWS_AT_ONCE):
        lines = [json.dumps({**row._mapping, "top3": json.loads(row.top3 or "null")}) for row in group]
        file.write(before + ",\n".join(lines))
        before = ",\n"
    file.write("\n]\n" if before == ",\n" else "[]\n")


def export_parquet(connection: Connection, run: int, path: Path) -> None:
    """Write the table of ``export_csv`` as Parquet, every text as it is; whole or not at all.

    Args:
        connection: for reading.
        run: its number.
        path: of the file; replaced if it is there.

    Raises:
        UsageError: there is no such run, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise UsageError(f"Parquet needs the Python package {error.name!r}: python -m tools.install parquet") from error
    existing_run(connection, run)
    types = {Integer: pyarrow.int64(), Float: pyarrow.float64()}
    schema = pyarrow.schema(
        (column.name, next((arrow for sql, arrow in types.items() if isinstance(column.type, sql)), pyarrow.string()))
        for column in answers_query(run).selected_columns
    )
    with atomic_write(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for group in _groups(connection, run, _ROWS_PER_GROUP):
            columns = zip(EXPORT_COLUMNS, zip(*group, strict=True), strict=True)
            writer.write_table(pyarrow.table(dict(columns), schema=schema))


def standard_output() -> TextIO:
    """Return where a CSV goes without a file: as it is into a pipe, without control characters onto a terminal."""
    if sys.stdout.isatty():
        return cast(TextIO, _Terminal())
    sys.stdout.reconfigure(newline="")  # type: ignore[union-attr]
    return sys.stdout


class _Terminal(io.StringIO):
    """Prints the rows of a CSV on the terminal."""

    def write(self, text: str) -> int:
        """Print a row; a name in it may hold what a terminal obeys."""
        return sys.stdout.write(f"{visible(text.removesuffix(_ROW_END))}\n")


def existing_run(connection: Connection, run: int) -> dict[str, Any]:
    """Return the columns of a run.

    Raises:
        UsageError: there is no such run.
    """
    row = runs.find_run(connection, run)
    if row is None:
        raise UsageError(f"there is no run {run}. `batch-client runs` lists them.")
    return row


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside a file, and put it in the file's place once the block has written it.

    Whoever reads the file finds the old or the new one, never a part.

    Raises:
        OSError: the disk refuses; nothing is left of the attempt.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _groups(connection: Connection, run: int, size: int) -> Iterator[Sequence[Row[Any]]]:
    yield from in_groups(connection, answers_query(run), size)
    yield from in_groups(connection, failures_query(run), size)
