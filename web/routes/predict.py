"""The seed's prediction API, and the one behind our own upload page."""

import hmac
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Request, UploadFile
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from web.auth.users import demand, demand_csrf_header
from web.http.errors import WebError
from web.http.rendering import render, wants_page
from web.inference import Service

LARGEST_PHOTO = 50_000_000  # bytes; the service refuses more, so sending it would be for nothing

router = APIRouter()


class ClassProbability(BaseModel):
    """One of the three likeliest categories."""

    name: str = Field(alias="class")
    probability: float


class Prediction(BaseModel):
    """What a photo shows; the first two fields are those of the seed project."""

    predicted_class: str
    confidence: float
    decision: str
    reason: str | None = None
    top: list[ClassProbability]
    model_version: str
    contract_version: str


class ErrorBody(BaseModel):
    """What went wrong, as a word for programs and a sentence for people."""

    code: str
    message: str


class ErrorAnswer(BaseModel):
    """The shape of every error."""

    error: ErrorBody


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the errors of a route."""
    return {status: {"model": ErrorAnswer} for status in statuses}


@router.get("/", summary="Is the desk there, and the service behind it?")
def root(request: Request) -> Response:
    """Answer health to programs; show people the review desk."""
    if wants_page(request):
        return RedirectResponse("/review", 303)
    service: Service = request.app.state.service
    described = service.describe()
    answer = {
        "message": "Welcome to the Refund Item Classification API",
        "service": "ready" if described else "away",
        "model_version": described["model_version"] if described else None,
    }
    return JSONResponse(answer)


def demand_token(request: Request) -> None:
    """Demand the bearer token of WEB_PREDICT_TOKEN, if one is set."""
    wanted = request.app.state.settings.web_predict_token
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if wanted and not hmac.compare_digest(given.encode(), wanted.encode()):
        message = "Send the token of WEB_PREDICT_TOKEN as `Authorization: Bearer TOKEN`."
        raise WebError(401, "token_required", message, {"WWW-Authenticate": "Bearer"})


@router.post(
    "/predict/",
    response_model=Prediction,
    response_model_exclude_none=True,
    responses=errors(400, 401, 413, 422, 500, 503),
    dependencies=[Depends(demand_token)],
    summary="Classify one photo (the seed project's API)",
)
def predict(request: Request, file: Annotated[UploadFile, File(description="the photo")]) -> dict[str, Any]:
    """Classify a photo. What is no photo of a known format is answered with 400, as the seed does."""
    service: Service = request.app.state.service
    try:
        return service.classify(read_photo(file))
    except WebError as error:
        if error.status == 415:
            error.status = 400
        raise


@router.get("/upload", include_in_schema=False)
def upload_page(request: Request, _: Annotated[object, Depends(demand("viewer"))]) -> Response:
    """Show the page to try photos on."""
    return render(request, "upload.html", {"largest": LARGEST_PHOTO})


@router.post(
    "/upload/classify",
    include_in_schema=False,
    dependencies=[Depends(demand("viewer")), Depends(demand_csrf_header)],
)
def classify_upload(request: Request, file: UploadFile) -> dict[str, Any]:
    """Classify a photo for the upload page, with its heat map and the time that it took."""
    service: Service = request.app.state.service
    photo = read_photo(file)
    started = time.perf_counter()
    answer = service.classify(photo, explain=True)
    return {**answer, "milliseconds": round((time.perf_counter() - started) * 1000)}


def read_photo(file: UploadFile) -> bytes:
    """Read an uploaded photo.

    Raises:
        WebError: it is larger than the service takes.
    """
    photo = file.file.read(LARGEST_PHOTO + 1)
    if len(photo) > LARGEST_PHOTO:
        raise photo_too_large()
    return photo


def photo_too_large() -> WebError:
    """Return the refusal of a photo that is larger than the service takes."""
    message = f"The photo is larger than {LARGEST_PHOTO // 1_000_000} MB. Send a smaller JPEG."
    return WebError(413, "too_many_bytes", message)
