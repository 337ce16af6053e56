"""Lists as CSV files."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from starlette.responses import Response, StreamingResponse

from results.spreadsheet import BYTE_ORDER_MARK, escape_formula


def csv_response(filename: str, columns: Sequence[str], pages: Iterable[Sequence[Sequence[Any]]]) -> Response:
    """Send rows as a CSV file that spreadsheet programs open correctly.

    The file is sent page by page and never held in memory. A browser may read it slowly, or stop reading: ``pages``
    must hold no database connection between two pages, or slow readers use up all connections.

    Args:
        filename: the name that the browser saves.
        columns: the header line.
        pages: the rows, in groups; the next group is asked for when the browser has read the one before.
    """
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingResponse(_lines(columns, pages), media_type="text/csv; charset=utf-8", headers=headers)


def _lines(columns: Sequence[str], pages: Iterable[Sequence[Sequence[Any]]]) -> Iterator[str]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    buffer.write(BYTE_ORDER_MARK)
    writer.writerow(columns)
    for page in pages:
        writer.writerows([[escape_formula(value) for value in row] for row in page])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()
