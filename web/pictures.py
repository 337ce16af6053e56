"""Photos by their number in the results, from the copies without EXIF that the batch client keeps."""

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi import Path as InPath
from starlette.responses import FileResponse, Response

from results.database import Database
from results.media_layout import copy_path, thumbnail_path
from results.search import sha256_of_photo
from web.auth.users import demand
from web.http.errors import WebError

router = APIRouter()
PhotoId = Annotated[int, InPath(ge=1, le=2**63 - 1)]

_PLACES = {"picture": copy_path, "thumbnail": thumbnail_path}
# A number is never given to another photo, and a copy never changes. Purged photos leave the cache with it, in a day.
_CACHING = {"Cache-Control": "private, max-age=86400, immutable"}


class Pictures:
    """The folder of copies.

    Args:
        folder: ``MEDIA_DIR``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, sha256: str, size: Literal["picture", "thumbnail"]) -> Path | None:
        """Return where a photo's copy lies; None if there is none.

        The hash is looked at although it comes from our own table: what it becomes is a path.
        """
        try:
            path = _PLACES[size](self._folder, sha256)
        except ValueError:
            return None
        return path if path.is_file() else None

    def mark(self, photos: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Add to photos whether there is a ``picture`` of them."""
        return [{**photo, "picture": self.find(photo["sha256"], "thumbnail") is not None} for photo in photos]


@router.get("/photos/{photo_id}/{size}", include_in_schema=False, dependencies=[Depends(demand("viewer"))])
def picture(request: Request, photo_id: PhotoId, size: Literal["picture", "thumbnail"]) -> Response:
    """Send a photo's copy, or its thumbnail."""
    database: Database = request.app.state.database
    pictures: Pictures = request.app.state.pictures
    with database.reading() as connection:
        sha256 = sha256_of_photo(connection, photo_id)
    path = pictures.find(sha256, size) if sha256 is not None else None
    if path is None:
        raise WebError(404, "no_picture", f"No picture of photo {photo_id} was kept: only what a person looks at is.")
    return FileResponse(path, media_type="image/jpeg", headers=_CACHING)
