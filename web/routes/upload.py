"""The page on which people try the model on a photo of their own."""

import time
from typing import Any

from fastapi import APIRouter, Request, UploadFile
from starlette.responses import Response

from web.http.dependencies import CSRF_PROTECTED, VIEWERS_ONLY, ServiceDep
from web.http.rendering import render
from web.http.uploads import LARGEST_PHOTO, read_photo

router = APIRouter(include_in_schema=False, dependencies=VIEWERS_ONLY)


@router.get("/upload")
def upload_page(request: Request) -> Response:
    """Show the page."""
    return render(request, "upload.html", {"largest": LARGEST_PHOTO})


@router.post("/upload/classify", dependencies=CSRF_PROTECTED)
def classify_upload(service: ServiceDep, file: UploadFile) -> dict[str, Any]:
    """Classify a photo; add its heat map and the duration in milliseconds."""
    photo = read_photo(file)
    started = time.perf_counter()
    prediction = service.classify(photo, explain=True)
    return {**prediction, "milliseconds": round((time.perf_counter() - started) * 1000)}
