"""What people decided, by day and person, for admins."""

import json
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, TypeAdapter
from starlette.responses import Response

from results.audit import AUDIT_COLUMNS, AuditCriteria, Key, all_people, find_decisions
from results.people_statistics import MOST_DECISIONS, figures_by_person
from results.schema import STORABLE_TEXT
from web.http.csv_response import csv_response
from web.http.days import LONGEST_ZONE, read_period, read_zone
from web.http.dependencies import ADMINS_ONLY, LARGEST_ID, DatabaseDep
from web.http.errors import WebError
from web.http.rendering import render

router = APIRouter(include_in_schema=False, dependencies=ADMINS_ONLY)

_PAGE = 50
_ROWS_AT_ONCE = 1_000
_Text = Annotated[str, Query(max_length=300, pattern=STORABLE_TEXT)]
_Storable = Annotated[str, Field(pattern=STORABLE_TEXT)]
_Key: TypeAdapter[Key] = TypeAdapter(tuple[_Storable, _Storable, Annotated[int, Field(ge=0, le=LARGEST_ID)]])


def read_criteria(
    person: _Text = "",
    day_from: _Text = "",
    day_to: _Text = "",
    zone: Annotated[str, Query(max_length=LONGEST_ZONE, pattern=STORABLE_TEXT)] = "",
) -> AuditCriteria:
    """Read the form; an empty field matches everything.

    Raises:
        WebError: a field has an impossible value.
    """
    try:
        return AuditCriteria(person or None, *read_period(day_from, day_to, read_zone(zone)))
    except (ValueError, OverflowError) as error:
        raise WebError(422, "invalid_request", f"The audit cannot be read: {error}.") from error


Wanted = Annotated[AuditCriteria, Depends(read_criteria)]


@router.get("/audit")
def audit_page(request: Request, database: DatabaseDep, criteria: Wanted, after: _Text = "") -> Response:
    """Show the figures of each person, and one page of their decisions."""
    try:
        key = _Key.validate_json(after) if after else None
    except ValueError as error:
        raise WebError(422, "invalid_request", "This page does not belong to this audit. Open it again.") from error
    with database.reading() as connection:
        page = find_decisions(connection, criteria, _PAGE, key)
        people = all_people(connection)
        figures, is_partial = figures_by_person(connection, criteria) if key is None else ([], False)
    fields = {name: value for name, value in request.query_params.items() if value and name != "after"}
    context = {
        "decisions": page.rows,
        "people": people,
        "figures": figures,
        "is_partial": is_partial,
        "most": MOST_DECISIONS,
        "fields": fields,
        "query": urlencode(fields),
        "next": urlencode({**fields, "after": json.dumps(page.next_key)}) if page.next_key else None,
        "is_first": not after,
    }
    return render(request, "audit.html", context)


@router.get("/audit.csv")
def audit_csv(database: DatabaseDep, criteria: Wanted) -> Response:
    """Send all decisions that match, however many, as CSV."""

    def pages() -> Iterator[list[list[Any]]]:
        after = None
        while True:
            with database.reading() as connection:
                page = find_decisions(connection, criteria, _ROWS_AT_ONCE, after)
            yield [[row[name] for name in AUDIT_COLUMNS] for row in page.rows]
            if (after := page.next_key) is None:
                return

    return csv_response("audit.csv", AUDIT_COLUMNS, pages())
