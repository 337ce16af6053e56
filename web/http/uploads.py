"""Uploaded photos: how large they may be, and how they are read."""

from fastapi import UploadFile

from web.http.errors import WebError

LARGEST_PHOTO = 50_000_000  # bytes; the service refuses more
PHOTO_PATHS = frozenset({"/predict/", "/upload/classify"})


def read_photo(file: UploadFile) -> bytes:
    """Read an uploaded photo, and free the temporary file that it was received into.

    Raises:
        WebError: it is larger than the service accepts.
    """
    photo = file.file.read(LARGEST_PHOTO + 1)
    file.file.close()
    if len(photo) > LARGEST_PHOTO:
        raise photo_too_large()
    return photo


def photo_too_large() -> WebError:
    """Return the error for a photo that is larger than the service accepts."""
    message = f"The photo is larger than {LARGEST_PHOTO // 1_000_000} MB. Send a smaller JPEG."
    return WebError(413, "too_many_bytes", message)
