"""The prediction API of the project that this one replaces, and the health check."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Request, UploadFile
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from web.auth.predict_access import check_predict_access
from web.http.dependencies import AuthenticatorDep, DatabaseDep, RequireRole, ServiceDep, SettingsDep
from web.http.errors import WebError
from web.http.rendering import wants_page
from web.http.schemas import errors
from web.http.uploads import read_photo
from web.routes.morning import morning_page

router = APIRouter()

_HEALTH_SECONDS = 1  # how old the answer about the service may be
_require_viewer = RequireRole("viewer")


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
def root(request: Request, service: ServiceDep, authenticator: AuthenticatorDep, database: DatabaseDep) -> Response:
    """Answer programs with the health of the service. Browsers get the morning page, which needs a session."""
    if wants_page(request):
        _require_viewer(request, authenticator)
        return morning_page(request, database)
    described = service.describe(_HEALTH_SECONDS)
    health = {
        "message": "Welcome to the Refund Item Classification API",
        "service": "ready" if described else "away",
        "model_version": described.model_version if described else None,
    }
    return JSONResponse(health)


def require_access(request: Request, authenticator: AuthenticatorDep, settings: SettingsDep) -> None:
    """Require a session or the token; :class:`web.http.upload_slots.UploadSlots` did so before the body was read."""
    check_predict_access(request, authenticator, settings.web_predict_token)


@router.post(
    "/predict/",
    response_model=Prediction,
    response_model_exclude_none=True,
    responses=errors(400, 401, 413, 422, 500, 503),
    dependencies=[Depends(require_access)],
    summary="Classify one photo",
)
def predict(service: ServiceDep, file: Annotated[UploadFile, File(description="the photo")]) -> dict[str, Any]:
    """Classify a photo.

    It needs a session, or the token of `WEB_PREDICT_TOKEN` as `Authorization: Bearer TOKEN`. A desk without accounts
    that only this machine can reach needs neither. A file that is not a photo of a known format gets 400.
    """
    try:
        return service.classify(read_photo(file))
    except WebError as error:
        if error.status == 415:
            error.status = 400
        raise
