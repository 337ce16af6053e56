"""A bound on what a request may send, kept while it is read: FastAPI reads a body before it asks who sent it."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.http.errors import WebError
from web.routes.predict import LARGEST_PHOTO, photo_too_large

_LARGEST = 200_000  # bytes; the longest that our own pages send, 200 accepted photos, takes less than a tenth
_LARGEST_WITH_PHOTO = LARGEST_PHOTO + 1_000_000  # a form around the photo
_PHOTO_PATHS = frozenset({"/predict/", "/upload/classify"})


class BodyLimit:
    """Refuses a body that says it is too large, and one that turns out to be.

    FastAPI's own ``max_body_size`` answers some of these in plain text, which is not our shape of an error.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; reading its body raises a WebError where it is too large."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with_photo = scope["path"] in _PHOTO_PATHS
        most = _LARGEST_WITH_PHOTO if with_photo else _LARGEST
        announced = Headers(scope=scope).get("content-length", "")
        left = most

        async def receive_within_limit() -> Message:
            nonlocal left
            if announced.isdecimal() and int(announced) > most:
                raise _too_large(with_photo)
            message = await receive()
            left -= len(message.get("body", b""))  # counted too: a chunked body does not say its size
            if left < 0:
                raise _too_large(with_photo)
            return message

        await self.app(scope, receive_within_limit, send)


def _too_large(with_photo: bool) -> WebError:
    if with_photo:
        return photo_too_large()
    return WebError(413, "too_many_bytes", f"The request is larger than {_LARGEST // 1000} kB.")
