"""What people do with a return at the desk: decide, judge a repeat, write a note, mark it, ask the lead."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from results import derived, repeat_verdicts, return_events, returns
from results.return_lists import ReturnChanged, decide_return, find_return, lock_return, photo_ids

_FINDINGS = {"match": "as ordered", "refused": "not what was ordered", "failed": "not readable"}


@dataclass(frozen=True)
class SeenPhoto:
    """A photo of a return as the person saw it.

    Attributes:
        photo_id: of the photo.
        finding: as in the view ``outcomes``.
        category: ``final_category``.
    """

    photo_id: int
    finding: str
    category: str | None


@dataclass(frozen=True)
class Seen:
    """A return as the person saw it: ``changed_at`` of its state, and its photos."""

    changed_at: str
    photos: Sequence[SeenPhoto]


class PhotosChanged(ReturnChanged):
    """The return is not as the person saw it; nothing was stored.

    Args:
        present: its columns now.
        changes: what is different, a sentence each.
    """

    def __init__(self, present: dict[str, Any], changes: list[str]) -> None:
        super().__init__(present)
        self.changes = changes


def decide_seen(
    connection: Connection,
    key: str,
    decision: Literal["cleared", "hold"],
    person: str,
    seen: Seen,
    reason: str | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """Decide about a return if it still is as the person saw it, and return its new state.

    Raises:
        NoSuchReturn: it was purged.
        PhotosChanged: it changed meanwhile.
        ValueError: a hold without a reason.
    """
    _require_unchanged(connection, key, seen)
    return decide_return(connection, key, decision, person, reason, note)


def judge_repeat(
    connection: Connection,
    key: str,
    person: str,
    pair: tuple[int, int],
    verdict: repeat_verdicts.Verdict,
    seen: Seen,
    note: str | None = None,
) -> dict[str, Any]:
    """Store whether a photo shows the item of the earlier photo, and return the new state of its return.

    "Same item" holds the return with this reason. "Another item" settles the repeat.

    Args:
        connection: in a transaction.
        key: of the return.
        person: who says so.
        pair: the ids of the photo and of the earlier photo.
        verdict: ``same_item`` or ``another_item``.
        seen: the return as the person saw it.
        note: free text that is stored with the hold.

    Raises:
        NoSuchReturn: the return was purged.
        NoSuchPhoto: the photo was purged.
        NoRepeat: the photo does not repeat this one, or not any more.
        PhotosChanged: the return changed meanwhile.
    """
    _require_unchanged(connection, key, seen)
    if pair[0] not in photo_ids(connection, key):
        raise repeat_verdicts.NoRepeat(f"photo {pair[0]} is not a photo of return {key[2:]}")
    repeat_verdicts.store(connection, person, *pair, verdict)
    derived.refresh(connection, [pair[0]])
    if verdict == "same_item":
        return decide_return(connection, key, "hold", person, "same_item", note)
    return find_return(connection, key)[0]


def mark(
    connection: Connection, key: str, kind: return_events.Kind, person: str, text: str | None = None
) -> dict[str, Any]:
    """Write a note on a return, mark it, or ask the lead about it; return its new state.

    Raises:
        NoSuchReturn: there is none.
        ValueError: a note without text.
    """
    if kind == "note" and not text:
        raise ValueError("a note needs a text")
    lock_return(connection, key)
    return_events.add_event(connection, key, kind, person, text)
    returns.refresh_keys(connection, [key])
    return find_return(connection, key)[0]


def _require_unchanged(connection: Connection, key: str, seen: Seen) -> None:
    present = lock_return(connection, key)
    changes = _changes(seen, *find_return(connection, key))
    if changes:
        raise PhotosChanged(present, changes)


def _changes(seen: Seen, state: dict[str, Any], photos: list[dict[str, Any]]) -> list[str]:
    """Say what is different from what the person saw."""
    was = {photo.photo_id: photo for photo in seen.photos}
    found = []
    for photo in photos:
        old = was.pop(photo["photo_id"], None)
        name = photo["filename"].rsplit("/", 1)[-1]
        if old is None:
            found.append(f"Photo {name} was added.")
        elif old.category != photo["final_category"]:
            found.append(f"Photo {name} is now {photo['final_category'] or 'none of the categories'}.")
        elif old.finding != photo["finding"]:
            found.append(f"Photo {name} is now: {_FINDINGS.get(photo['finding'], photo['finding'])}.")
    found += [f"Photo {number} was removed." for number in was]
    if not found and state["changed_at"] != seen.changed_at:
        if state["final_decision"] != "open" and state["decided_by"]:
            found.append(f"{state['decided_by']} decided: {_words(state)}.")
        elif state["asked_by"]:
            found.append(f"{state['asked_by']} asked the lead.")
        else:
            found.append("The order, a note or a mark changed.")
    return found


def _words(state: dict[str, Any]) -> str:
    reason = f", {state['reason'].replace('_', ' ')}" if state["reason"] else ""
    return f"{state['final_decision']}{reason}"
