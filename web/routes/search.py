"""Search for stored photos."""

import json
from collections.abc import Iterator
from datetime import UTC, date
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, TypeAdapter
from starlette.responses import Response

from results.schema import STORABLE_TEXT
from results.search import SEARCH_COLUMNS, VERDICTS, Criteria, count_photos, find_photos
from web.http.csv_response import csv_response
from web.http.dependencies import LARGEST_ID, VIEWERS_ONLY, CategoriesDep, DatabaseDep, PicturesDep
from web.http.errors import WebError
from web.http.rendering import render

router = APIRouter(include_in_schema=False, dependencies=VIEWERS_ONLY)

_PAGE = 50
_MOST_COUNTED = 1_000
_ROWS_AT_ONCE = 1_000
_Text = Annotated[str, Query(max_length=300, pattern=STORABLE_TEXT)]
_Key = TypeAdapter(list[Annotated[str, Field(pattern=STORABLE_TEXT)] | Annotated[int, Field(ge=0, le=LARGEST_ID)]])


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
    mark: _Text = "",
    zone: _Text = "",
) -> Criteria:
    """Read the search form; an empty field matches everything.

    Raises:
        WebError: a field has an impossible value.
    """
    try:
        _one_of("decision", decision, ("accept", "review"))
        _one_of("mark", mark, ("mismatch", "repeat"))
        _one_of("verdict", verdict, (*VERDICTS, "any", "none"))
        return Criteria(
            filename or None,
            " ".join(return_id.split()) or None,
            category or None,
            decision or None,
            verdict or None,
            date.fromisoformat(day_from) if day_from else None,
            date.fromisoformat(day_to) if day_to else None,
            sha256.strip().lower() or None,
            _number(run),
            _number(similar_to),
            mark or None,
            ZoneInfo(zone) if zone else UTC,
        )
    except (ZoneInfoNotFoundError, OSError) as error:
        raise WebError(422, "invalid_request", f"The time zone {zone!r} is not known.") from error
    except (ValueError, OverflowError) as error:
        raise WebError(422, "invalid_request", f"The search cannot be read: {error}.") from error


Wanted = Annotated[Criteria, Depends(read_criteria)]


@router.get("/search")
def search_page(
    request: Request,
    database: DatabaseDep,
    pictures: PicturesDep,
    categories: CategoriesDep,
    criteria: Wanted,
    after: _Text = "",
) -> Response:
    """Show one page of the photos that match."""
    try:
        key = _Key.validate_json(after) if after else None
        with database.reading() as connection:
            page = find_photos(connection, criteria, _PAGE, key)
            total = count_photos(connection, criteria, _MOST_COUNTED)
    except ValueError as error:
        raise WebError(422, "invalid_request", "This page does not belong to this search. Search again.") from error
    fields = {name: value for name, value in request.query_params.items() if value and name != "after"}
    context = {
        "photos": pictures.with_picture_flags(page.rows),
        "total": total,
        "most_counted": _MOST_COUNTED,
        "fields": fields,
        "is_filtered": bool(fields.keys() - {"zone"}),
        "query": urlencode(fields),
        "next": urlencode({**fields, "after": json.dumps(page.next_key)}) if page.next_key else None,
        "is_first": not after,
        "categories": categories.names(),
        "verdicts": VERDICTS,
    }
    return render(request, "search.html", context)


@router.get("/search.csv")
def search_csv(database: DatabaseDep, criteria: Wanted) -> Response:
    """Send all photos that match, however many, as CSV."""

    def pages() -> Iterator[list[list[Any]]]:
        after = None
        while True:
            with database.reading() as connection:
                page = find_photos(connection, criteria, _ROWS_AT_ONCE, after)
            yield [[row[name] for name in SEARCH_COLUMNS] for row in page.rows]
            if (after := page.next_key) is None:
                return

    return csv_response("photos.csv", SEARCH_COLUMNS, pages())


def _number(text: str) -> int | None:
    if (text and not text.strip().isascii()) or (text and not text.strip().lstrip("-").isdigit()):
        raise ValueError(f"{text!r} is no number")
    number = int(text) if text else None
    if number is not None and abs(number) > LARGEST_ID:
        raise ValueError(f"{text} is not the number of a run or a photo")
    return number


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value and value not in allowed:
        raise ValueError(f"{name} is {value!r}, not one of {', '.join(allowed)}")
