"""The shape of every error, as OpenAPI describes it."""

from typing import Any

from pydantic import BaseModel


class ErrorBody(BaseModel):
    """What went wrong: a word for programs and a sentence for people."""

    code: str
    message: str


class ErrorResponse(BaseModel):
    """The body of every error response."""

    error: ErrorBody


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of a route's error responses."""
    return {status: {"model": ErrorResponse} for status in statuses}
