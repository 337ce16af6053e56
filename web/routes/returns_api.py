"""``/api/v1/returns``: what was decided about returns, for the shop's system."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from results.return_lists import (
    HOLD_REASONS,
    NoSuchReturn,
    NothingToUndo,
    ReturnChanged,
    ReturnCriteria,
    decide_return,
    find_return,
    find_returns,
    undo_decision,
)
from results.schema import STORABLE_TEXT
from results.sql import to_text
from web.auth.api_tokens import ApiToken, ApiTokens, ApiTokensError
from web.http.dependencies import DatabaseDep
from web.http.errors import WebError
from web.http.schemas import errors
from web.settings import Role

router = APIRouter(prefix="/api/v1", tags=["returns"])

_Key = TypeAdapter(tuple[str, str])
_Text = Annotated[str, Field(min_length=1, max_length=300, pattern=STORABLE_TEXT)]


class RequireToken:
    """A dependency that gives the token of a request if its role suffices.

    Args:
        role: the least role that the route needs.
    """

    def __init__(self, role: Role) -> None:
        self._role = role

    def __call__(self, request: Request) -> ApiToken:
        """Return the token.

        Raises:
            WebError: 401 without a known token, 403 for a lesser role.
        """
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        tokens: ApiTokens = request.app.state.api_tokens
        try:
            token = tokens.find(given.strip()) if scheme.lower() == "bearer" and given.strip() else None
        except ApiTokensError as error:
            raise WebError(503, "tokens_unreadable", f"{error}.") from error
        if token is None:
            message = "Send a token: `Authorization: Bearer ...`. `python -m web add-token NAME` makes one."
            raise WebError(401, "token_required", message, headers={"WWW-Authenticate": "Bearer"})
        if not token.may(self._role):
            raise WebError(403, "not_allowed", f"The token {token.name} is {token.role}; this needs {self._role}.")
        return token


Reader = Annotated[ApiToken, Depends(RequireToken("viewer"))]
Decider = Annotated[ApiToken, Depends(RequireToken("reviewer"))]
ReturnId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=300,
        pattern=STORABLE_TEXT,
        description="The return id. A photo without one: the `return_key`, `p:` and the number of the photo.",
    ),
]


class Return(BaseModel):
    """A return: its photos by finding, and what was decided."""

    return_key: str
    return_id: str | None
    ordered: str | None
    photos: int
    matching: int
    unsure: int
    mismatches: int
    repeats: int
    unusable: int
    refused: int
    failed: int
    final_decision: Literal["cleared", "hold", "open"]
    reason: str | None
    decided_by: str | None
    decided_at: str | None
    note: str | None
    first_seen: str
    newest_photo_at: str
    flagged: int
    asked_by: str | None
    asked_at: str | None
    changed_at: str


class ReturnPhoto(BaseModel):
    """A photo of a return, and what counts for it."""

    photo_id: int
    filename: str
    predicted_class: str | None
    confidence: float | None
    expected_category: str | None
    match_probability: float | None
    match_verdict: str | None
    finding: str
    final_category: str | None
    final_decision: str
    decided_by: str | None
    decided_at: str | None


class ReturnWithPhotos(Return):
    """A return with its photos."""

    items: list[ReturnPhoto]


class ReturnsPage(BaseModel):
    """A page of returns; ``next`` is the ``after`` of the next page, null on the last."""

    returns: list[Return]
    next: str | None


class ReturnDecision(BaseModel):
    """A decision about a whole return; ``undo`` takes the standing one back."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["cleared", "hold", "undo"]
    reason: Literal["not_what_was_ordered", "same_item", "unusable_photos", "damaged", "other"] | None = None
    note: Annotated[str, Field(max_length=2_000, pattern=STORABLE_TEXT)] | None = None
    seen_at: _Text | None = Field(None, description="`changed_at` of the state that was decided on.")


@router.get("/returns", responses=errors(401, 403, 422, 503), summary="List returns")
def list_returns(
    _: Reader,
    database: DatabaseDep,
    state: Annotated[Literal["cleared", "hold", "open"] | None, Query(description="`final_decision`.")] = None,
    since: Annotated[datetime | None, Query(description="Only returns that changed after this time.")] = None,
    after: Annotated[str | None, Query(max_length=1_000, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ReturnsPage:
    """List returns in the order of their last change; pages by key, so each costs the same."""
    criteria = ReturnCriteria(state, _stored_time(since))
    with database.reading() as connection:
        page = find_returns(connection, criteria, limit, _read_key(after))
    following = urlsafe_b64encode(json.dumps(page.next_key).encode()).decode() if page.next_key else None
    return ReturnsPage(returns=[Return(**row) for row in page.rows], next=following)


@router.get("/returns/{return_id:path}", responses=errors(401, 403, 404, 422, 503), summary="Show a return")
def show_return(_: Reader, database: DatabaseDep, return_id: ReturnId) -> ReturnWithPhotos:
    """Show one return with its photos."""
    with database.reading() as connection:
        return _shown(*_found(connection, return_id))


@router.post(
    "/returns/{return_id:path}/decision", responses=errors(401, 403, 404, 409, 413, 422, 503), summary="Decide a return"
)
def decide(token: Decider, database: DatabaseDep, return_id: ReturnId, body: ReturnDecision) -> ReturnWithPhotos:
    """Store a decision about a whole return; it wins over the model's. The decision carries the token's name."""
    person = f"api:{token.name}"
    if body.decision == "hold" and body.reason is None:
        raise WebError(422, "invalid_request", f"A hold needs a reason: {', '.join(HOLD_REASONS)}.")
    with database.writing() as connection:
        key = _found(connection, return_id)[0]["return_key"]
        try:
            if body.decision == "undo":
                undo_decision(connection, key, person)
            else:
                decide_return(connection, key, body.decision, person, body.reason, body.note, body.seen_at)
        except ReturnChanged as error:
            message = f"The return changed at {error.present['changed_at']}. Look at it again."
            raise WebError(409, "return_changed", message, present=error.present) from error
        except NothingToUndo as error:
            raise WebError(409, "cannot_undo", f"{error}.") from error
        return _shown(*find_return(connection, key))


def _found(connection: Any, return_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a return by its id, else by the key of a photo without a return."""
    keys = [f"r:{return_id}"]
    if re.fullmatch(r"p:[0-9]{1,18}", return_id):
        keys.append(return_id)
    for key in keys:
        try:
            return find_return(connection, key)
        except NoSuchReturn:
            continue
    raise WebError(404, "no_such_return", f"There is no return {return_id}: it was purged, or it never existed.")


def _shown(row: dict[str, Any], photos: list[dict[str, Any]]) -> ReturnWithPhotos:
    items = [ReturnPhoto(**{name: photo[name] for name in ReturnPhoto.model_fields}) for photo in photos]
    return ReturnWithPhotos(**row, items=items)


def _stored_time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    try:
        return to_text(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
    except OverflowError as error:
        raise WebError(422, "invalid_request", "`since` is no time that a calendar has in UTC.") from error


def _read_key(after: str | None) -> tuple[str, str] | None:
    if after is None:
        return None
    try:
        return _Key.validate_json(urlsafe_b64decode(after.encode()))
    except ValueError as error:
        raise WebError(422, "invalid_request", "`after` is no page of this list.") from error
