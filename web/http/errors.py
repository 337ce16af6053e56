"""The exception for every response that is an error."""

from typing import Any


class WebError(Exception):
    """An error response: its status, a code for programs and a sentence for people.

    Args:
        status: the HTTP status.
        code: one word, listed in docs/prediction-api.md.
        message: what is wrong and what to do about it.
        headers: of the response.
        **more: further fields of ``error``.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = {"error": {"code": code, "message": message, **more}}
