"""Single photos that wait for a person, leased so that no two people get the same one, and the grid."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import Response

from results import derived, review_queue, reviews
from results.database import Database
from results.reviews import AlreadyReviewed, CannotUndo, NoSuchPhoto, Verdict
from results.schema import STORABLE_TEXT
from results.search import SEARCH_COLUMNS, photos_by_id
from web.auth.users import User
from web.categories import Categories
from web.http.csv_response import csv_response
from web.http.dependencies import (
    CSRF_PROTECTED,
    LARGEST_ID,
    VIEWERS_ONLY,
    CategoriesDep,
    DatabaseDep,
    PhotoId,
    PicturesDep,
    Reviewer,
    ReviewId,
    SettingsDep,
)
from web.http.errors import WebError
from web.http.rendering import render
from web.http.schemas import errors
from web.settings import WebSettings

router = APIRouter()

MOST_COUNTED = 10_000
_MOST_OF_A_CATEGORY = 200  # counting stops here: the page then shows 200+
_GRID_SIZE = 24
_ROWS_AT_ONCE = 1_000

Tab = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$", description="drawn by the browser tab")]
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Kind = Literal["mismatch", "repeat", "unsure"]
Category = Annotated[str, Field(max_length=100, pattern=STORABLE_TEXT)]


class Claim(BaseModel):
    """The photos that a tab holds, and how many more it asks for."""

    desk: Tab
    count: int = Field(ge=0, le=60)
    held: list[Id] = Field(default=[], max_length=200)
    category: Category | None = None
    kind: Kind | None = None
    by_itself: bool = Field(False, description="only photos that are not decided with their return")


class Decision(BaseModel):
    """A verdict on one photo."""

    prediction_id: Id
    kind: reviews.Kind = "category"
    category: Category | None = Field(default=None, description="for the kind `category`: which")


class Accepted(BaseModel):
    """A photo with a right prediction."""

    photo_id: Id
    prediction_id: Id


class Acceptance(BaseModel):
    """Photos whose predictions are all right."""

    photos: list[Accepted] = Field(min_length=1, max_length=200)


class Release(BaseModel):
    """A tab that gives its photos back."""

    desk: Tab


@router.get("/review/photos", include_in_schema=False, dependencies=VIEWERS_ONLY)
def photos_page(
    request: Request, database: DatabaseDep, categories: CategoriesDep, settings: SettingsDep, kind: Kind | None = None
) -> Response:
    """Show the photos that are decided by themselves. The page's script asks for them."""
    return render(request, "review_photos.html", {**_page_context(database, categories, settings), "kind": kind})


@router.get("/review.csv", include_in_schema=False, dependencies=VIEWERS_ONLY)
def queue_csv(database: DatabaseDep, kind: Kind | None = None, by_itself: bool = False) -> Response:
    """Send the photos that wait, in their order, as CSV; also those of returns unless `by_itself`."""

    def pages() -> Iterator[list[list[Any]]]:
        after = None
        while True:
            with database.reading() as connection:
                page = review_queue.page_in_order(connection, _ROWS_AT_ONCE, kind, after, by_itself)
                rows = photos_by_id(connection, page.photo_ids)
            yield [[row[name] for name in SEARCH_COLUMNS] for row in rows]
            if (after := page.next_key) is None:
                return

    return csv_response("waiting.csv", SEARCH_COLUMNS, pages())


@router.get("/review/grid", include_in_schema=False, dependencies=VIEWERS_ONLY)
def grid_page(
    request: Request,
    database: DatabaseDep,
    categories: CategoriesDep,
    settings: SettingsDep,
    category: Category | None = None,
) -> Response:
    """Show the photos of one category side by side, or a list of the categories."""
    with database.reading() as connection:
        waiting = review_queue.waiting_categories(connection, _MOST_OF_A_CATEGORY)
    context = {
        **_page_context(database, categories, settings),
        "category": category,
        "waiting_categories": waiting,
        "most_of_a_category": _MOST_OF_A_CATEGORY,
        "size": _GRID_SIZE,
    }
    return render(request, "grid.html", context)


@router.post(
    "/desk/claim", dependencies=CSRF_PROTECTED, responses=errors(401, 403, 413, 422, 503), summary="Take photos"
)
def claim(
    database: DatabaseDep, pictures: PicturesDep, settings: SettingsDep, user: Reviewer, body: Claim
) -> dict[str, Any]:
    """Lease a tab its next photos; nobody else gets these and those it holds for `WEB_CLAIM_S` seconds."""
    with database.writing() as connection:
        claimed = review_queue.claim(
            connection,
            f"{user.name}:{body.desk}",
            body.count,
            settings.web_claim_s,
            body.held,
            body.category,
            body.kind,
            body.by_itself,
        )
        found = photos_by_id(connection, claimed.photo_ids)
        waiting = review_queue.count_waiting(connection, MOST_COUNTED, body.category, body.kind, body.by_itself)
    photos = [_for_desk(photo) for photo in pictures.with_picture_flags(found)]
    return {"photos": photos, "lost": claimed.lost, "waiting": waiting}


@router.post(
    "/desk/release", dependencies=CSRF_PROTECTED, responses=errors(401, 403, 413, 422, 503), summary="Give photos back"
)
def release(database: DatabaseDep, user: Reviewer, body: Release) -> dict[str, bool]:
    """End the leases of a tab."""
    with database.writing() as connection:
        review_queue.release(connection, f"{user.name}:{body.desk}")
    return {"released": True}


@router.post(
    "/photos/{photo_id}/verdict",
    dependencies=CSRF_PROTECTED,
    responses=errors(401, 403, 404, 409, 413, 422, 503),
    summary="Decide about a photo",
)
def decide(
    database: DatabaseDep, categories: CategoriesDep, user: Reviewer, photo_id: PhotoId, body: Decision
) -> dict[str, Any]:
    """Store a verdict. A second verdict on a photo is refused with 409, with the name of the person who was faster."""
    if (body.kind == "category") != (body.category is not None):
        raise WebError(422, "invalid_request", "The kind `category` needs a category. No other kind has one.")
    if body.category is not None and categories.is_unknown(body.category):
        raise WebError(422, "unknown_category", f"{body.category!r} is not one of the categories.")
    with database.writing() as connection:
        verdict = Verdict(photo_id, body.prediction_id, body.kind, body.category)
        try:
            review_id = _store(connection, user, verdict)
        except NoSuchPhoto as error:
            raise WebError(404, "no_such_photo", f"{error}: it was purged, or classified again.") from error
        except AlreadyReviewed as error:
            standing = {name: error.standing[name] for name in ("reviewer", "verdict", "to_class", "created_at")}
            raise WebError(409, "already_reviewed", _refusal(error.standing), standing=standing) from error
        waiting = review_queue.count_waiting(connection, MOST_COUNTED)
    return {"review_id": review_id, "waiting": waiting}


@router.post(
    "/desk/accept", dependencies=CSRF_PROTECTED, responses=errors(401, 403, 413, 422, 503), summary="Accept many photos"
)
def accept(database: DatabaseDep, user: Reviewer, body: Acceptance) -> dict[str, Any]:
    """Confirm many predictions. Mismatches, repeats and what another person decided are listed as refused."""
    stored, refused = [], []
    with database.writing() as connection:
        shown = photos_by_id(connection, [photo.photo_id for photo in body.photos])
        classes = {(photo["photo_id"], photo["prediction_id"]): photo["predicted_class"] for photo in shown}
        doubtful = {row["photo_id"] for row in shown if row["mismatch"] == 1 or row["repeat_of"] is not None}
        for photo in sorted(body.photos, key=lambda photo: photo.photo_id):  # in the order in which runs lock them
            key = (photo.photo_id, photo.prediction_id)
            try:
                if photo.photo_id in doubtful:
                    raise NoSuchPhoto(f"photo {photo.photo_id} is a mismatch or a repeat: decide it with its return")
                if key not in classes:
                    raise NoSuchPhoto(f"photo {photo.photo_id} was purged, or classified again")
                review_id = _store(connection, user, Verdict(*key, "category", classes[key]))
                stored.append({"photo_id": photo.photo_id, "review_id": review_id})
            except NoSuchPhoto as error:
                refused.append({"photo_id": photo.photo_id, "message": f"{error}."})
            except AlreadyReviewed as error:
                refused.append({"photo_id": photo.photo_id, "message": _refusal(error.standing)})
        waiting = review_queue.count_waiting(connection, MOST_COUNTED)
    return {"stored": stored, "refused": refused, "waiting": waiting}


@router.post(
    "/verdicts/{review_id}/undo",
    dependencies=CSRF_PROTECTED,
    responses=errors(401, 403, 404, 409, 422, 503),
    summary="Take a verdict back",
)
def undo(database: DatabaseDep, user: Reviewer, review_id: ReviewId) -> dict[str, Any]:
    """Take a verdict back. The photo waits again."""
    with database.writing() as connection:
        try:
            photo_id = reviews.undo(connection, user.name, review_id, user.may("admin"))
        except NoSuchPhoto as error:
            raise WebError(404, "no_such_verdict", f"{error}.") from error
        except CannotUndo as error:
            raise WebError(409, "cannot_undo", f"{error}.") from error
        derived.refresh(connection, [photo_id])
        waiting = review_queue.count_waiting(connection, MOST_COUNTED)
    return {"photo_id": photo_id, "waiting": waiting}


def _store(connection: Connection, user: User, verdict: Verdict) -> int:
    review_id = reviews.store_verdict(connection, user.name, verdict)
    derived.refresh(connection, [verdict.photo_id])
    return review_id


def _refusal(standing: dict[str, Any]) -> str:
    said = standing["to_class"] or {"not_ours": "not one of ours"}.get(standing["verdict"], "unusable photo")
    return f"{standing['reviewer']} was faster and decided: {said}. Your verdict was not stored."


def _page_context(database: Database, categories: Categories, settings: WebSettings) -> dict[str, Any]:
    """Return what the desk and the grid show around the photos."""
    with database.reading() as connection:
        counts = {
            name: review_queue.count_waiting(connection, MOST_COUNTED, kind=name, by_itself=True)
            for name in review_queue.KINDS
        }
    return {
        "categories": categories.names(),
        "counts": counts,
        "most_counted": MOST_COUNTED,
        "renew_seconds": settings.web_claim_s // 3,
    }


def _for_desk(photo: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a photo that the script shows."""
    names = ("prediction_id", "filename", "return_id", "expected_category", "predicted_class", "confidence", "picture")
    return {
        "id": photo["photo_id"],
        **{name: photo[name] for name in (*names, "reason", "decision", "repeat_of", "repeat_kind", "timestamp")},
        "mismatch": photo["mismatch"] == 1,
        "top": json.loads(photo["top3"]),
    }
