"""The refusals that several formats share."""

from handler.errors import ErrorCode, PhotoError


def odd_structure(complaint: str) -> PhotoError:
    """Return the refusal of a file that no camera writes.

    Args:
        complaint: what the file has, as in "JPEG has two frames".
    """
    return PhotoError(ErrorCode.NOT_AN_IMAGE, f"The {complaint}, which no camera writes. Export it again.")


def broken_off() -> PhotoError:
    """Return the refusal of a photo whose last row is missing."""
    return PhotoError(
        ErrorCode.TRUNCATED_IMAGE,
        "The photo breaks off or is damaged, so it was not classified. Send the complete file again.",
    )
