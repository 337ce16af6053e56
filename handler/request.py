"""One row of a server batch: what does its sender want?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from handler.errors import ErrorCode, PhotoError

Purpose = Literal["predict", "explain", "describe"]


@dataclass(frozen=True)
class EncodedPhoto:
    """A photo as it arrived.

    Attributes:
        field: its multipart field name; None for a raw body.
        data: encoded bytes; None where text or JSON came instead.
    """

    field: str | None
    data: bytes | bytearray | None


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    Attributes:
        purpose: which of the three questions it asks.
        photos: in the order of the request; empty for ``describe``.
        wants_png: the sender accepts ``image/png``.
        is_probe: nobody's photo, sent to see whether the service answers; the metrics leave it out.
        wants_fingerprint: the answer shall say what the photo looks like.
    """

    purpose: Purpose
    photos: tuple[EncodedPhoto, ...]
    wants_png: bool
    is_probe: bool
    wants_fingerprint: bool


def parse(row: Mapping[str, Any], headers: Mapping[str, Any], max_photos: int) -> Request:
    """Read one row as TorchServe hands it over.

    Args:
        row: ``{"body": ...}`` for a raw body, one entry a field for multipart.
        headers: request headers; names in any case, for proxies change it.
        max_photos: refused above.

    Raises:
        PhotoError: 400 ``empty_body``; 413 ``too_many_photos``; 415 ``form_encoded_body``.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    content_type = str(lowered.get("content-type", "")).lower()
    explains = str(lowered.get("explain", "")) == "True"
    wants_png = "image/png" in str(lowered.get("accept", "")).lower()
    is_probe, wants_fingerprint = "x-probe" in lowered, "x-fingerprint" in lowered
    if content_type.startswith("application/x-www-form-urlencoded"):
        raise PhotoError(
            ErrorCode.FORM_ENCODED_BODY,
            "The body came as a web form, which destroys a photo. Add -H 'Content-Type: image/jpeg' or use -T.",
        )
    body = row.get("body")
    if isinstance(body, Mapping) and body.get("describe") is True:
        return Request("describe", (), wants_png, is_probe, wants_fingerprint)
    if len(row) > max_photos:
        raise PhotoError(
            ErrorCode.TOO_MANY_PHOTOS,
            f"The request carries {len(row)} photos, the limit is {max_photos}. Send several requests.",
        )
    is_form = content_type.startswith("multipart/")
    # TorchServe has already turned JSON into objects and text into strings.
    photos = tuple(
        EncodedPhoto(field if is_form else None, value if isinstance(value, bytes | bytearray) else None)
        for field, value in row.items()
    )
    if not photos:
        raise PhotoError(ErrorCode.EMPTY_BODY, "The request carries no photo. Send it as the body or as a file field.")
    return Request("explain" if explains else "predict", photos, wants_png, is_probe, wants_fingerprint)
