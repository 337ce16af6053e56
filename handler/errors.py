"""The errors that the service answers: each code with its HTTP status, and the exception that carries one."""

from enum import StrEnum
from http import HTTPStatus


class ErrorCode(StrEnum):
    """A machine-readable error code; the codes are part of the public API."""

    BAD_SHAPE = "bad_shape"
    BUSY = "busy"
    DRAINING = "draining"
    EMPTY_BODY = "empty_body"
    FORM_ENCODED_BODY = "form_encoded_body"
    INTERNAL_ERROR = "internal_error"
    NO_ORDER_CHECK = "no_order_check"
    NOT_AN_IMAGE = "not_an_image"
    TOO_COSTLY = "too_costly"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PHOTOS = "too_many_photos"
    TOO_MANY_PIXELS = "too_many_pixels"
    TRUNCATED_IMAGE = "truncated_image"
    UNKNOWN_CATEGORY = "unknown_category"
    UNSUPPORTED_FORMAT = "unsupported_format"

    @property
    def status(self) -> HTTPStatus:
        """Return the HTTP status of the code."""
        return _STATUSES[self]


# A 4xx is the fault of the photo or of the request, and a retry cannot help. A 5xx is the service's fault.
_STATUSES = {
    ErrorCode.EMPTY_BODY: HTTPStatus.BAD_REQUEST,
    ErrorCode.NOT_AN_IMAGE: HTTPStatus.BAD_REQUEST,
    ErrorCode.TRUNCATED_IMAGE: HTTPStatus.BAD_REQUEST,
    ErrorCode.TOO_COSTLY: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.TOO_MANY_BYTES: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.TOO_MANY_PHOTOS: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.TOO_MANY_PIXELS: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.FORM_ENCODED_BODY: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.UNSUPPORTED_FORMAT: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.BAD_SHAPE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.NO_ORDER_CHECK: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.UNKNOWN_CATEGORY: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    ErrorCode.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.DRAINING: HTTPStatus.SERVICE_UNAVAILABLE,
}


class PhotoError(Exception):
    """Refuse one photo, or the request that carries it.

    The service answers it in the project's own error shape.

    Attributes:
        code: what is wrong.
        message: one or two sentences for a person, naming the remedy. ASCII only.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(f"{code.status.value} {code}: {message}")
        self.code = code
        self.message = message

    @property
    def status(self) -> HTTPStatus:
        """Return the HTTP status of the answer."""
        return self.code.status


def internal_error() -> PhotoError:
    """Return the error for a bug of ours. The client gets no detail; the log has it."""
    return PhotoError(ErrorCode.INTERNAL_ERROR, "The service failed on this photo. Try again later.")


def draining() -> PhotoError:
    """Return the error for a request that comes while the service is about to end."""
    return PhotoError(ErrorCode.DRAINING, "The service is about to end or restart. Try again in a little while.")
