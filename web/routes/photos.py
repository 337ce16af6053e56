"""One photo: its picture, what the model said, and every decision about it."""

import json

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from results import product_photos, reviews
from results.search import photos_by_id, repeats_of, sha256_of_photo, similar_photos
from web.http.dependencies import VIEWERS_ONLY, CategoriesDep, DatabaseDep, PhotoId, PicturesDep
from web.http.errors import WebError
from web.http.rendering import render
from web.pictures import Pictures, Size

router = APIRouter(include_in_schema=False, dependencies=VIEWERS_ONLY)

_SIMILAR = 12
# The browser may keep a picture, but must ask before it shows it again: nobody sees it after the session has ended.
_CACHING = "private, no-cache"


@router.get("/photos/{photo_id}")
def photo_page(
    request: Request, database: DatabaseDep, pictures: PicturesDep, categories: CategoriesDep, photo_id: PhotoId
) -> Response:
    """Show a photo."""
    with database.reading() as connection:
        found = photos_by_id(connection, [photo_id])
        if not found:
            raise WebError(404, "no_such_photo", f"There is no classified photo {photo_id}; it may have been purged.")
        history = reviews.history(connection, photo_id)
        related = repeats_of(connection, photo_id)
        similar = similar_photos(connection, photo_id, _SIMILAR + len(related))
    shown = {row["photo_id"] for row in related}
    similar = [row for row in similar if row["photo_id"] not in shown][:_SIMILAR]
    context = {
        "photo": pictures.with_picture_flags(found)[0],
        "top": json.loads(found[0]["top3"]),
        "history": history,
        "related": pictures.with_picture_flags(related),
        "similar": pictures.with_picture_flags(similar),
        "categories": categories.names(),
    }
    return render(request, "photo.html", context)


@router.get("/photos/{photo_id}/product")
def product_picture(request: Request, database: DatabaseDep, pictures: PicturesDep, photo_id: PhotoId) -> Response:
    """Send the shop's picture of what was ordered; 304 if the browser has it."""
    with database.reading() as connection:
        product = product_photos.of_photos(connection, [photo_id]).get(photo_id)
    return _sent(request, pictures, product.sha256 if product is not None else None, "picture", photo_id)


@router.get("/photos/{photo_id}/{size}")
def picture(request: Request, database: DatabaseDep, pictures: PicturesDep, photo_id: PhotoId, size: Size) -> Response:
    """Send a photo's copy, or its thumbnail; 304 if the browser has it."""
    with database.reading() as connection:
        sha256 = sha256_of_photo(connection, photo_id)
    return _sent(request, pictures, sha256, size, photo_id)


def _sent(request: Request, pictures: Pictures, sha256: str | None, size: Size, photo_id: int) -> Response:
    path = pictures.find(sha256, size) if sha256 is not None else None
    if path is None:
        raise WebError(404, "no_picture", f"There is no picture of photo {photo_id}.")
    headers = {"Cache-Control": _CACHING, "ETag": f'"{sha256}-{size}"'}  # a copy never changes
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type="image/jpeg", headers=headers)
