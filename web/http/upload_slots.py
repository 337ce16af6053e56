"""A limit on how many photos are uploaded at the same time, kept apart for people and for other programs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from web.auth.predict_access import check_predict_access
from web.auth.users import Authenticator
from web.http.errors import WebError
from web.http.uploads import LARGEST_PHOTO, PHOTO_PATHS

PREDICT_PATH = "/predict/"


class UploadPool:
    """Uploads that are in progress.

    A photo is received into a temporary file, which a container keeps in memory, and then held in memory once more
    until the service has answered. Each upload occupies one of the 40 threads that answer all requests.

    Args:
        most_uploads: at the same time.
        most_bytes: of their bodies together.
        wait_seconds: until an upload that finds no room is refused.
    """

    def __init__(self, most_uploads: int, most_bytes: int, wait_seconds: float) -> None:
        self._free_uploads = most_uploads
        self._free_bytes = most_bytes
        self._wait_seconds = wait_seconds
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """Hold the room for one upload of so many bytes.

        Raises:
            TimeoutError: there was none in time.
        """
        async with asyncio.timeout(self._wait_seconds):
            while self._free_uploads < 1 or self._free_bytes < size:
                self._freed.clear()
                await self._freed.wait()
        self._free_uploads -= 1
        self._free_bytes -= size
        try:
            yield
        finally:
            self._free_uploads += 1
            self._free_bytes += size
            self._freed.set()


class UploadSlots:
    """Admits uploads before their bodies are read: who may not upload, or finds no room, costs no memory.

    People who are logged in do not wait for programs that use ``POST /predict/``.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator, token: str) -> None:
        self.app = app
        self._authenticator = authenticator
        self._token = token
        self._people = UploadPool(12, 3 * LARGEST_PHOTO, 30)
        self._programs = UploadPool(12, 3 * LARGEST_PHOTO, 5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["path"] not in PHOTO_PATHS or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        try:
            pool = await run_in_threadpool(self._pool_for, Request(scope))
            async with pool.room(_size(scope)):
                await self.app(scope, receive, send)
            return
        except WebError as error:
            refused = error
        except TimeoutError:
            message = "Many photos are being uploaded at this moment. Try again in a few seconds."
            refused = WebError(503, "busy", message, {"Retry-After": "5"})
        await JSONResponse(refused.body, refused.status, refused.headers)(scope, receive, send)

    def _pool_for(self, request: Request) -> UploadPool:
        if request.url.path == PREDICT_PATH:
            check_predict_access(request, self._authenticator, self._token)
            return self._people if self._authenticator.session(request) else self._programs
        if self._authenticator.user(request) is None:
            raise WebError(401, "login_required", "Log in first, at /login.")
        return self._people


def _size(scope: Scope) -> int:
    """Return how many bytes a body will have at most; a chunked body does not declare it."""
    declared = Headers(scope=scope).get("content-length", "")
    return min(int(declared), LARGEST_PHOTO) if declared.isdecimal() else LARGEST_PHOTO
