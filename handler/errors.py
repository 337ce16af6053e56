"""The fault that belongs to a photo, not to the service."""


class PhotoError(Exception):
    """Say that one photo (or the request that carries it) cannot be classified, and what would help.

    Such a fault is answered with a 4xx in the project's own error shape and is never worth a retry.

    Attributes:
        status: HTTP status, 400 to 499.
        code: machine-readable word, snake case, part of the public API.
        message: one or two sentences for a person, naming the remedy. ASCII only.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
