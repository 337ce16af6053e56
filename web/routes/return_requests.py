"""What the returns desk sends: filters, leases, decisions on what was on the screen."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from results.return_desk import Seen, SeenPhoto
from results.return_queue import Filters
from results.schema import STORABLE_TEXT
from web.auth.users import User
from web.http.dependencies import LARGEST_ID

_LONGEST_WAIT = 3_650  # days

Tab = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$", description="drawn by the browser tab")]
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Key = Annotated[str, Field(min_length=3, max_length=302, pattern=r"^(r:[^\x00]+|p:[0-9]{1,18})$")]
Note = Annotated[str, Field(max_length=2_000, pattern=STORABLE_TEXT)]
Kind = Literal["mismatch", "repeat", "unsure"]
Reason = Literal["not_what_was_ordered", "same_item", "unusable_photos", "damaged", "other"]
_Category = Annotated[str, Field(max_length=100, pattern=STORABLE_TEXT)]


class WantedReturns(BaseModel):
    """Which returns a desk works on; its fields are those of the page's address."""

    kind: Kind | None = None
    run: Id | None = None
    category: _Category | None = None
    days: Annotated[int, Field(ge=1, le=_LONGEST_WAIT)] | None = None
    mine: bool = False
    asked: bool = False

    @field_validator("*", mode="before")
    @classmethod
    def _empty_means_any(cls, value: Any, info: ValidationInfo) -> Any:
        """Read a field that was left empty in the form as its default."""
        return cls.model_fields[str(info.field_name)].default if value == "" else value

    def filters(self, user: User) -> Filters:
        """Return the filters of the queue. What a person asked the lead about is theirs as well."""
        mine = user.name if self.mine else None
        return Filters(self.kind, self.run, self.category, self.days, mine, None if self.mine else self.asked)


class ClaimReturns(BaseModel):
    """The returns that a tab holds, and how many more it asks for."""

    desk: Tab
    count: int = Field(ge=0, le=20)
    held: list[Key] = Field(default=[], max_length=100)
    wanted: Key | None = Field(None, description="a return that comes first, whatever the filters")
    filters: WantedReturns = WantedReturns()


class ReleaseReturns(BaseModel):
    """A tab that gives its returns back."""

    desk: Tab


class SeenItem(BaseModel):
    """A photo as it was on the screen."""

    photo_id: Id
    finding: Annotated[str, Field(max_length=20)]
    category: _Category | None = None


class OnScreen(BaseModel):
    """A return as it was on the screen."""

    key: Key
    changed_at: Annotated[str, Field(max_length=40)]
    photos: list[SeenItem] = Field(max_length=1_000)

    def seen(self) -> Seen:
        """Return what the results compare with."""
        return Seen(self.changed_at, [SeenPhoto(row.photo_id, row.finding, row.category) for row in self.photos])


class DecideReturn(OnScreen):
    """A decision about a return."""

    decision: Literal["cleared", "hold"]
    reason: Reason | None = None
    note: Note | None = None


class JudgeRepeat(OnScreen):
    """Whether a photo shows the item of the earlier photo."""

    photo_id: Id
    earlier_id: Id
    verdict: Literal["same_item", "another_item"]
    note: Note | None = None


class MarkReturn(BaseModel):
    """A note, a mark or a question."""

    key: Key
    kind: Literal["note", "flagged", "unflagged", "asked", "withdrawn"]
    text: Note | None = None


class OneReturn(BaseModel):
    """A return by its key."""

    key: Key


class PhotoOfReturn(OneReturn):
    """A photo of a return."""

    photo_id: Id
