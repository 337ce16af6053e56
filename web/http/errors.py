"""The one exception for every answer other than 200."""

from typing import Any


class WebError(Exception):
    """An answer other than 200: its status, its code for programs and a sentence for people.

    Args:
        status: of HTTP.
        code: one word, listed in docs/prediction-api.md.
        message: what is wrong and what helps.
        headers: to send along.
        **more: further fields of ``error``.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = {"error": {"code": code, "message": message, **more}}
