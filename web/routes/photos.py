"""One photo, everything that is known of it, and everything that was decided."""

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from results import reviews
from results.database import Database
from results.search import photos_by_id, repeats_of, similar_photos
from web.auth.users import demand
from web.http.errors import WebError
from web.http.rendering import render
from web.pictures import PhotoId

router = APIRouter(include_in_schema=False)

_SIMILAR = 12


@router.get("/photos/{photo_id}")
def photo_page(request: Request, photo_id: PhotoId, _: Annotated[object, Depends(demand("viewer"))]) -> Response:
    """Show a photo."""
    database: Database = request.app.state.database
    with database.reading() as connection:
        found = photos_by_id(connection, [photo_id])
        if not found:
            raise WebError(404, "no_such_photo", f"There is no classified photo {photo_id}; it may have been purged.")
        history = reviews.history(connection, photo_id)
        related = repeats_of(connection, photo_id)
        similar = similar_photos(connection, photo_id, _SIMILAR + len(related))
    shown = {row["photo_id"] for row in related}
    similar = [row for row in similar if row["photo_id"] not in shown][:_SIMILAR]
    pictures = request.app.state.pictures
    context = {
        "photo": pictures.mark(found)[0],
        "top": json.loads(found[0]["top3"]),
        "history": history,
        "related": pictures.mark(related),
        "similar": pictures.mark(similar),
        "categories": request.app.state.categories.names(),
    }
    return render(request, "photo.html", context)
