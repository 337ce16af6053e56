"""The fault that belongs to a photo, not to the service."""

# Every code that an answer of ours can carry.
CODES = (
    "bad_shape",
    "busy",
    "draining",
    "empty_body",
    "form_encoded_body",
    "internal_error",
    "not_an_image",
    "too_many_bytes",
    "too_many_photos",
    "too_many_pixels",
    "truncated_image",
    "unsupported_format",
)


class PhotoError(Exception):
    """Say that one photo (or the request that carries it) cannot be classified, and what would help.

    It is answered in the project's own error shape.

    Attributes:
        status: HTTP status: 400 to 499, never worth a retry; 503 where only the moment is wrong.
        code: machine-readable word, snake case, part of the public API.
        message: one or two sentences for a person, naming the remedy. ASCII only.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
