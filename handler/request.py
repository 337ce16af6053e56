"""Read one row of a server batch: what the client sends and what it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from handler.errors import ErrorCode, PhotoError

Purpose = Literal["predict", "explain", "describe"]
PictureWish = Literal["review", "always"]
EXPECTED_HEADER = "x-expected-category"
EXPECTED_FIELD = "expected_category"
_LONGEST_ORDER = 2_000  # characters; all 27 names together have 280


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
        purpose: a prediction, a prediction with its explanation, or the description of the service.
        photos: in the order of the request; empty for ``describe``.
        accepts_png: the client accepts ``image/png``.
        is_probe: the supervisor checks the service with this request; the metrics leave it out.
        wants_fingerprint: each prediction also carries what the photo looks like.
        picture: which predictions also carry the picture for the desk: those with the decision ``review``, or all;
            None for none.
        wants_probabilities: each prediction also carries the probabilities of all outputs.
        expected: names of the ordered categories, as the client sent them, each once; empty without an order.
    """

    purpose: Purpose
    photos: tuple[EncodedPhoto, ...] = ()
    accepts_png: bool = False
    is_probe: bool = False
    wants_fingerprint: bool = False
    picture: PictureWish | None = None
    wants_probabilities: bool = False
    expected: tuple[str, ...] = ()

    @property
    def wants_overlay(self) -> bool:
        """Whether the response is a PNG. Several photos are answered with a list, which is JSON."""
        return self.purpose == "explain" and self.accepts_png and len(self.photos) == 1


def parse(row: Mapping[str, Any], headers: Mapping[str, Any], max_photos: int) -> Request:
    """Read one row as TorchServe passes it.

    Args:
        row: ``{"body": ...}`` for a raw body, one entry per field for multipart.
        headers: request headers. The case of their names is ignored, because proxies change it.
        max_photos: a request with more photos is refused.

    Raises:
        PhotoError: ``empty_body``, ``too_many_photos``, ``form_encoded_body``, or ``unknown_category`` for an
            expected category that is not text.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    content_type = str(lowered.get("content-type", "")).lower()
    if content_type.startswith("application/x-www-form-urlencoded"):
        raise PhotoError(
            ErrorCode.FORM_ENCODED_BODY,
            "The body came as a web form, which destroys a photo. Add -H 'Content-Type: image/jpeg' or use -T.",
        )
    body = row.get("body")
    if isinstance(body, Mapping) and body.get("describe") is True:
        return Request("describe")
    is_form = content_type.startswith("multipart/")
    expected = lowered.get(EXPECTED_HEADER, "")
    if is_form and EXPECTED_FIELD in row:
        row = dict(row)
        expected = row.pop(EXPECTED_FIELD)
    if len(row) > max_photos:
        raise PhotoError(
            ErrorCode.TOO_MANY_PHOTOS,
            f"The request carries {len(row)} photos, the limit is {max_photos}. Send several requests.",
        )
    if not row:
        raise PhotoError(ErrorCode.EMPTY_BODY, "The request carries no photo. Send it as the body or as a file field.")
    return Request(
        # TorchServe adds this header to each request for an explanation.
        purpose="explain" if str(lowered.get("explain", "")) == "True" else "predict",
        # TorchServe has already turned JSON into objects and text into strings.
        photos=tuple(
            EncodedPhoto(field if is_form else None, value if isinstance(value, bytes | bytearray) else None)
            for field, value in row.items()
        ),
        accepts_png="image/png" in str(lowered.get("accept", "")).lower(),
        is_probe="x-probe" in lowered,
        wants_fingerprint="x-fingerprint" in lowered,
        picture=_picture_wish(lowered.get("x-picture")),
        wants_probabilities="x-probabilities" in lowered,
        expected=_names(expected),
    )


def _picture_wish(value: Any) -> PictureWish | None:
    """Read the header X-Picture: every value other than ``always`` means ``review``."""
    if value is None:
        return None
    return "always" if str(value).strip().lower() == "always" else "review"


def _names(value: Any) -> tuple[str, ...]:
    """Split names that are separated by commas.

    Args:
        value: TorchServe passes a header as text, and a form's text field as bytes.

    Raises:
        PhotoError: ``unknown_category``: the value is not text, or it is too long.
    """
    if not isinstance(value, str | bytes | bytearray) or len(value) > _LONGEST_ORDER:
        raise _not_names()
    try:
        text = value if isinstance(value, str) else value.decode("utf-8")
    except UnicodeDecodeError:
        raise _not_names() from None
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _not_names() -> PhotoError:
    return PhotoError(
        ErrorCode.UNKNOWN_CATEGORY,
        f"{EXPECTED_FIELD} is not a list of names in at most {_LONGEST_ORDER} characters. Send names of categories, "
        "separated by commas, and the photo in another field.",
    )
