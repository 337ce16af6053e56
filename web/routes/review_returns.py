"""The returns desk: returns that wait for a person, leased so that no two people get the same one."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from results import derived, repeat_verdicts, return_desk, return_queue, review_queue
from results.database import Database
from results.repeat_verdicts import NoRepeat
from results.return_cards import cards
from results.return_desk import PhotosChanged
from results.return_lists import LIST_COLUMNS, NoSuchReturn, NothingToUndo, states_of, undo_decision
from results.return_queue import Filters
from results.reviews import NoSuchPhoto
from web.http.csv_response import csv_response
from web.http.dependencies import (
    CSRF_PROTECTED,
    VIEWERS_ONLY,
    CategoriesDep,
    DatabaseDep,
    PicturesDep,
    Reviewer,
    SettingsDep,
    Viewer,
)
from web.http.errors import WebError
from web.http.rendering import render
from web.http.schemas import errors
from web.pictures import Pictures
from web.return_view import for_desk
from web.routes.return_requests import (
    ClaimReturns,
    DecideReturn,
    JudgeRepeat,
    Key,
    MarkReturn,
    OneReturn,
    PhotoOfReturn,
    ReleaseReturns,
    WantedReturns,
)

router = APIRouter()

MOST_COUNTED = 10_000
_ROWS_AT_ONCE = 500


@router.get("/review", include_in_schema=False)
def review_page(
    request: Request,
    user: Viewer,
    database: DatabaseDep,
    categories: CategoriesDep,
    settings: SettingsDep,
    wanted: Annotated[WantedReturns, Query()],
    show: Annotated[Key | None, Query(description="a return to begin with")] = None,
) -> Response:
    """Show the desk. Its script asks for the returns."""
    with database.reading() as connection:
        counts = _counts(connection, wanted.filters(user))
        photos = review_queue.count_waiting(connection, MOST_COUNTED, by_itself=True)
    chosen = wanted.model_dump()
    given = {name: int(value) if value is True else value for name, value in chosen.items() if value}
    context = {
        "categories": categories.names(),
        "counts": {**counts, "photos": photos},
        "chosen": chosen,
        "query": urlencode(given),
        "tabs": {name: urlencode(_tab(given, name)) for name in ("all", "mismatch", "repeat", "unsure", "asked")},
        "show": show,
        "most_counted": MOST_COUNTED,
        "renew_seconds": settings.web_claim_s // 3,
    }
    return render(request, "review.html", context)


@router.get("/review/returns.csv", include_in_schema=False)
def queue_csv(user: Viewer, database: DatabaseDep, wanted: Annotated[WantedReturns, Query()]) -> Response:
    """Send the returns that wait, in their order, as CSV."""
    filters = wanted.filters(user)

    def pages() -> Iterator[list[list[Any]]]:
        after = None
        while True:
            with database.reading() as connection:
                keys, after = return_queue.page_in_order(connection, _ROWS_AT_ONCE, filters, after)
                rows = states_of(connection, keys)
            yield [[row[name] for name in LIST_COLUMNS] for row in rows]
            if after is None:
                return

    return csv_response("returns-waiting.csv", LIST_COLUMNS, pages())


@router.post(
    "/desk/returns/claim",
    dependencies=CSRF_PROTECTED,
    responses=errors(401, 403, 413, 422, 503),
    summary="Take returns",
)
def claim(
    database: DatabaseDep, pictures: PicturesDep, settings: SettingsDep, user: Reviewer, body: ClaimReturns
) -> dict[str, Any]:
    """Lease a tab its next returns; nobody else gets these and those it holds for `WEB_CLAIM_S` seconds."""
    filters = body.filters.filters(user)
    with database.writing() as connection:
        desk = f"{user.name}:{body.desk}"
        seconds = settings.web_claim_s
        claimed = return_queue.claim(connection, desk, body.count, seconds, body.held, filters, body.wanted)
        found = cards(connection, claimed.keys)
        counts = _counts(connection, filters)
        shown = [for_desk(pictures, card) for card in found]
    return {"returns": shown, "lost": claimed.lost, "counts": counts}


@router.post(
    "/desk/returns/release",
    dependencies=CSRF_PROTECTED,
    responses=errors(401, 403, 413, 422, 503),
    summary="Give returns back",
)
def release(database: DatabaseDep, user: Reviewer, body: ReleaseReturns) -> dict[str, bool]:
    """End the leases of a tab."""
    with database.writing() as connection:
        return_queue.release(connection, f"{user.name}:{body.desk}")
    return {"released": True}


@router.post(
    "/desk/returns/show",
    dependencies=[*CSRF_PROTECTED, *VIEWERS_ONLY],
    responses=errors(401, 403, 404, 422, 503),
    summary="Show a return",
)
def show(database: DatabaseDep, pictures: PicturesDep, body: OneReturn) -> dict[str, Any]:
    """Return a return as it is now."""
    with database.reading() as connection:
        return _shown(connection, pictures, body.key)


@router.post(
    "/desk/returns/decide",
    dependencies=CSRF_PROTECTED,
    responses=errors(401, 403, 404, 409, 413, 422, 503),
    summary="Decide about a return",
)
def decide(database: DatabaseDep, pictures: PicturesDep, user: Reviewer, body: DecideReturn) -> dict[str, Any]:
    """Clear or hold a return. If it changed since it was shown, nothing is stored and the answer says what changed."""
    if body.decision == "hold" and body.reason is None:
        raise WebError(422, "invalid_request", "A hold needs a reason.")

    def store(connection: Connection) -> None:
        return_desk.decide_seen(
            connection, body.key, body.decision, user.name, body.seen(), body.reason, body.note or None
        )

    return _changed(database, pictures, body.key, store)


@router.post(
    "/desk/returns/repeat",
    dependencies=CSRF_PROTECTED,
    responses=errors(401, 403, 404, 409, 413, 422, 503),
    summary="Judge a repeat",
)
def judge(database: DatabaseDep, pictures: PicturesDep, user: Reviewer, body: JudgeRepeat) -> dict[str, Any]:
    """Store whether two photos show the same item; "same item" holds the return, and links both returns."""

    def store(connection: Connection) -> None:
        pair = (body.photo_id, body.earlier_id)
        return_desk.judge_repeat(connection, body.key, user.name, pair, body.verdict, body.seen(), body.note or None)

    return _changed(database, pictures, body.key, store)


@router.post(
    "/desk/returns/repeat/undo",
    dependencies=CSRF_PROTECTED,
    responses=errors(401, 403, 404, 413, 422, 503),
    summary="Take back what was said about a repeat",
)
def unjudge(database: DatabaseDep, pictures: PicturesDep, user: Reviewer, body: PhotoOfReturn) -> dict[str, Any]:
    """Take back "another item". The repeat stops its return again."""

    def store(connection: Connection) -> None:
        derived.refresh(connection, repeat_verdicts.take_back(connection, user.name, [body.photo_id]))

    return _changed(database, pictures, body.key, store)


@router.post(
    "/desk/returns/mark",
    dependencies=CSRF_PROTECTED,
    responses=errors(401, 403, 404, 413, 422, 503),
    summary="Note, mark or ask",
)
def mark(database: DatabaseDep, pictures: PicturesDep, user: Reviewer, body: MarkReturn) -> dict[str, Any]:
    """Write a note on a return, mark it, or ask the lead about it."""
    text = (body.text or "").strip() or None
    if body.kind == "note" and text is None:
        raise WebError(422, "invalid_request", "A note needs a text.")

    def store(connection: Connection) -> None:
        return_desk.mark(connection, body.key, body.kind, user.name, text)

    return _changed(database, pictures, body.key, store)


@router.post(
    "/desk/returns/undo",
    dependencies=CSRF_PROTECTED,
    responses=errors(401, 403, 404, 409, 422, 503),
    summary="Take a decision back",
)
def undo(database: DatabaseDep, pictures: PicturesDep, user: Reviewer, body: OneReturn) -> dict[str, Any]:
    """Take the standing decision about a return back. The return waits again."""

    def store(connection: Connection) -> None:
        undo_decision(connection, body.key, user.name, user.may("admin"))

    return _changed(database, pictures, body.key, store)


def _changed(database: Database, pictures: Pictures, key: str, store: Callable[[Connection], None]) -> dict[str, Any]:
    """Run a change of a return in a transaction, and return the return as it is afterwards."""
    with database.writing() as connection:
        try:
            store(connection)
        except NoSuchReturn as error:
            raise WebError(404, "no_such_return", f"{str(error).capitalize()}: it was purged.") from error
        except NoSuchPhoto as error:
            raise WebError(404, "no_such_photo", f"{str(error).capitalize()}: it was purged.") from error
        except PhotosChanged as error:
            message = f"The return changed. {' '.join(error.changes)} Nothing was stored; look again."
            raise WebError(409, "return_changed", message, changes=error.changes) from error
        except NoRepeat as error:
            raise WebError(409, "return_changed", f"{error}. Nothing was stored; look again.".capitalize()) from error
        except NothingToUndo as error:
            raise WebError(409, "cannot_undo", f"{error}.".capitalize()) from error
        return _shown(connection, pictures, key)


def _shown(connection: Connection, pictures: Pictures, key: str) -> dict[str, Any]:
    found = cards(connection, [key])
    if not found:
        raise WebError(404, "no_such_return", f"There is no return {key[2:]}: it was purged, or it never existed.")
    return for_desk(pictures, found[0])


def _counts(connection: Connection, filters: Filters) -> dict[str, int]:
    """Count what waits by tab: by kind, and what waits for the lead; the other filters stay."""

    def count(**changes: Any) -> int:
        return return_queue.count_waiting(connection, MOST_COUNTED, replace(filters, **changes))

    kinds = {kind: count(kind=kind, asked=False if filters.mine is None else None) for kind in return_queue.KINDS}
    return {**kinds, "all": min(sum(kinds.values()), MOST_COUNTED), "asked": count(kind=None, asked=True)}


def _tab(chosen: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the filters behind a tab: the chosen ones with another kind."""
    kept = {key: value for key, value in chosen.items() if key not in ("kind", "asked")}
    return {**kept, **({} if name == "all" else {"asked": 1} if name == "asked" else {"kind": name})}
