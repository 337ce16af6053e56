"""Search, and every list as CSV."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, TypeAdapter
from starlette.responses import Response, StreamingResponse

from results.database import Database
from results.schema import STORABLE_TEXT
from results.search import SEARCH_COLUMNS, VERDICTS, Criteria, all_photos, find_photos
from results.spreadsheet import BYTE_ORDER_MARK, without_formula
from web.auth.users import demand
from web.http.errors import WebError
from web.http.rendering import render

router = APIRouter(include_in_schema=False, dependencies=[Depends(demand("viewer"))])

_PAGE = 50
_ROWS_AT_ONCE = 1_000
_LARGEST_ID = 2**63 - 1  # that a column holds
_Text = Annotated[str, Query(max_length=300, pattern=STORABLE_TEXT)]
_Key = TypeAdapter(list[Annotated[str, Field(pattern=STORABLE_TEXT)] | Annotated[int, Field(ge=0, le=_LARGEST_ID)]])


def read_criteria(
    filename: _Text = "",
    return_id: _Text = "",
    category: _Text = "",
    decision: _Text = "",
    verdict: _Text = "",
    day_from: _Text = "",
    day_to: _Text = "",
    sha256: _Text = "",
    run: _Text = "",
    similar_to: _Text = "",
) -> Criteria:
    """Read the form; an empty field does not matter.

    Raises:
        WebError: a field holds what it cannot.
    """
    try:
        _one_of("decision", decision, ("accept", "review"))
        _one_of("verdict", verdict, (*VERDICTS, "any", "none"))
        return Criteria(
            filename or None,
            return_id or None,
            category or None,
            decision or None,
            verdict or None,
            date.fromisoformat(day_from) if day_from else None,
            date.fromisoformat(day_to) if day_to else None,
            sha256.strip().lower() or None,
            _number(run),
            _number(similar_to),
        )
    except (ValueError, OverflowError) as error:
        raise WebError(422, "invalid_request", f"The search cannot be read: {error}.") from error


Wanted = Annotated[Criteria, Depends(read_criteria)]


@router.get("/search")
def search_page(request: Request, criteria: Wanted, after: _Text = "") -> Response:
    """Show a page of what is found."""
    database: Database = request.app.state.database
    try:
        key = _Key.validate_json(after) if after else None
        with database.reading() as connection:
            page = find_photos(connection, criteria, _PAGE, key)
    except ValueError as error:
        raise WebError(422, "invalid_request", "This is no page of this search. Search again.") from error
    fields = {name: value for name, value in request.query_params.items() if value and name != "after"}
    context = {
        "photos": request.app.state.pictures.mark(page.rows),
        "fields": fields,
        "query": urlencode(fields),
        "next": urlencode({**fields, "after": json.dumps(page.next_key)}) if page.next_key else None,
        "is_first": not after,
        "categories": request.app.state.categories.names(),
        "verdicts": VERDICTS,
    }
    return render(request, "search.html", context)


@router.get("/search.csv")
def search_csv(request: Request, criteria: Wanted) -> Response:
    """Send everything that is found, however much, as CSV."""
    database: Database = request.app.state.database

    def rows() -> Iterator[list[Any]]:
        with database.reading() as connection:
            for page in all_photos(connection, criteria, _ROWS_AT_ONCE):
                yield from ([row[name] for name in SEARCH_COLUMNS] for row in page)

    return csv_answer("photos.csv", SEARCH_COLUMNS, rows())


def csv_answer(filename: str, columns: tuple[str, ...], rows: Iterator[list[Any]]) -> Response:
    """Send rows as a CSV file that spreadsheets open as it is meant, without holding it in memory."""

    def lines() -> Iterator[str]:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        yield BYTE_ORDER_MARK
        writer.writerow(columns)
        for number, row in enumerate(rows):
            writer.writerow([without_formula(value) for value in row])
            if number % _ROWS_AT_ONCE == 0:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue()

    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


def _number(text: str) -> int | None:
    number = int(text) if text else None
    if number is not None and abs(number) > _LARGEST_ID:
        raise ValueError(f"{text} is no number of a run or a photo")
    return number


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value and value not in allowed:
        raise ValueError(f"{name} is {value!r}, not one of {', '.join(allowed)}")
