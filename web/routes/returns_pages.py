"""Returns as pages: a list that finds what people type or scan, and one return with its history."""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, TypeAdapter
from starlette.responses import RedirectResponse, Response

from results.return_cards import cards, history, linked_returns
from results.return_lists import LIST_COLUMNS
from results.return_search import (
    ReturnFilters,
    all_returns_of,
    count_returns,
    find_one,
    find_photos_named,
    find_returns_of,
)
from results.schema import STORABLE_TEXT
from web.http.csv_response import csv_response
from web.http.dependencies import LARGEST_ID, VIEWERS_ONLY, DatabaseDep, PicturesDep
from web.http.errors import WebError
from web.http.rendering import render
from web.return_view import for_desk

router = APIRouter(include_in_schema=False, dependencies=VIEWERS_ONLY)

_PAGE = 50
_MOST_COUNTED = 1_000
_ROWS_AT_ONCE = 1_000
_Text = Annotated[str, Query(max_length=300, pattern=STORABLE_TEXT)]
_Runs = Annotated[Sequence[Annotated[int, Field(ge=1, le=LARGEST_ID)]], Query(max_length=50)]
_After = TypeAdapter(tuple[str, str])


def read_filters(
    q: _Text = "",
    state: Literal["", "cleared", "hold", "open"] = "",
    flagged: bool = False,
    noted: bool = False,
    asked: bool = False,
    run: _Runs = (),
) -> ReturnFilters:
    """Read the form; an empty field matches everything."""
    return ReturnFilters(q or None, state or None, flagged, noted, asked, tuple(run))


Wanted = Annotated[ReturnFilters, Depends(read_filters)]


@router.get("/returns")
def returns_page(request: Request, database: DatabaseDep, wanted: Wanted, after: _Text = "") -> Response:
    """List returns, the newest change first. What means one return leads to its page."""
    typed = wanted.typed or ""
    with database.reading() as connection:
        key = find_one(connection, typed) if typed and not after else None
        if key is not None:
            return RedirectResponse(f"/returns/{quote(key, safe='')}", 303)
        total = count_returns(connection, wanted, _MOST_COUNTED)
        rows, following = find_returns_of(connection, wanted, _PAGE, _read_after(after)) if total else ([], None)
        photos = find_photos_named(connection, typed)
    given = [(name, value) for name, value in request.query_params.multi_items() if value and name != "after"]
    context = {
        "returns": rows,
        "total": total,
        "most_counted": _MOST_COUNTED,
        "photos": photos,
        "fields": dict(given),
        "runs": wanted.run_ids,
        "query": urlencode(given),
        "next": urlencode([*given, ("after", json.dumps(following))]) if following else None,
        "is_first": not after,
    }
    return render(request, "returns.html", context)


@router.get("/returns.csv")
def returns_csv(database: DatabaseDep, wanted: Wanted) -> Response:
    """Send all returns of a list as CSV, with notes and flags."""

    def pages() -> Iterator[list[list[Any]]]:
        with database.reading() as connection:
            for rows in all_returns_of(connection, wanted, _ROWS_AT_ONCE):
                yield [[row[name] for name in LIST_COLUMNS] for row in rows]

    return csv_response("returns.csv", LIST_COLUMNS, pages())


@router.get("/returns/{key:path}")
def return_page(request: Request, database: DatabaseDep, pictures: PicturesDep, key: str) -> Response:
    """Show a return: its photos, what was decided, and everything that people did with it."""
    wanted = [key] if key.startswith(("r:", "p:")) and "\x00" not in key else []
    with database.reading() as connection:
        found = cards(connection, [name for name in (*wanted, f"r:{key}") if _is_key(name)])
        if not found:
            raise WebError(404, "no_such_return", f"There is no return {key}: it was purged, or it never existed.")
        card = for_desk(pictures, found[0])
        context = {
            "card": card,
            "history": history(connection, card["return_key"]),
            "linked": linked_returns(connection, card["return_key"]),
        }
    return render(request, "return.html", context)


def _is_key(name: str) -> bool:
    is_photo = name.startswith("p:") and name[2:].isdecimal() and name.isascii() and len(name) <= 20
    return is_photo or (name.startswith("r:") and 2 < len(name) <= 302 and "\x00" not in name)


def _read_after(after: str) -> tuple[str, str] | None:
    try:
        return _After.validate_json(after) if after else None
    except ValueError as error:
        raise WebError(422, "invalid_request", "This page does not belong to this list. Search again.") from error
