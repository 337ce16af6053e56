"""The prediction API of the project that this one replaces, and the health check."""

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Request, UploadFile
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from web.http.dependencies import ServiceDep, SettingsDep
from web.http.errors import WebError
from web.http.rendering import wants_page
from web.http.schemas import errors
from web.http.uploads import read_photo

router = APIRouter()


class ClassProbability(BaseModel):
    """One of the three most probable categories."""

    name: str = Field(alias="class")
    probability: float


class Prediction(BaseModel):
    """What a photo shows. The first two fields are those of the earlier project."""

    predicted_class: str
    confidence: float
    decision: str
    reason: str | None = None
    top: list[ClassProbability]
    model_version: str
    contract_version: str


@router.get("/", summary="Health of the desk and of the service behind it")
def root(request: Request, service: ServiceDep) -> Response:
    """Answer programs with the health of the service; redirect people to the review desk."""
    if wants_page(request):
        return RedirectResponse("/review", 303)
    described = service.describe()
    health = {
        "message": "Welcome to the Refund Item Classification API",
        "service": "ready" if described else "away",
        "model_version": described.model_version if described else None,
    }
    return JSONResponse(health)


async def require_token(request: Request, settings: SettingsDep) -> None:
    """Require the bearer token of WEB_PREDICT_TOKEN, if one is set."""
    wanted = settings.web_predict_token
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if wanted and not hmac.compare_digest(given.encode(), wanted.encode()):
        message = "Send the token of WEB_PREDICT_TOKEN as `Authorization: Bearer TOKEN`."
        raise WebError(401, "token_required", message, {"WWW-Authenticate": "Bearer"})


@router.post(
    "/predict/",
    response_model=Prediction,
    response_model_exclude_none=True,
    responses=errors(400, 401, 413, 422, 500, 503),
    dependencies=[Depends(require_token)],
    summary="Classify one photo",
)
def predict(service: ServiceDep, file: Annotated[UploadFile, File(description="the photo")]) -> dict[str, Any]:
    """Classify a photo. A file that is not a photo of a known format gets 400, as in the earlier project."""
    try:
        return service.classify(read_photo(file))
    except WebError as error:
        if error.status == 415:
            error.status = 400
        raise
