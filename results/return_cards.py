"""Returns as the desk shows them: the state, all photos with what the model said, and the earlier photo of a repeat."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from results import product_photos, repeat_verdicts, return_events
from results.return_lists import states_of
from results.returns import of_returns, return_key
from results.reviews import is_standing
from results.schema import photos, predictions_history, return_decisions, return_states, reviews
from results.schema import repeat_verdicts as pairs
from results.views import outcomes

_state = return_states.c
_answer = predictions_history.c
_PHOTO = (
    "photo_id",
    "filename",
    "predicted_class",
    "confidence",
    "decision",
    "reason",
    "expected_category",
    "match_verdict",
    "repeat_of",
    "repeat_kind",
    "shop_category",
    "sha256",
    "status",
    "error_code",
    "created_at",
    "finding",
    "final_category",
)


def cards(connection: Connection, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return these returns in the order of their keys, each with ``LIST_COLUMNS`` and ``items``, its photos.

    Each photo has ``prediction_id``, ``top`` (the three categories), ``verdict`` (the standing one of a person, or
    None), ``product`` (the shop's picture of what was ordered, or None) and ``earlier``: the photo that it repeats,
    with the state of its return and the verdict about the pair.
    Keys of returns that are gone are left out.
    """
    states = {row["return_key"]: {**row, "items": []} for row in states_of(connection, keys)}
    items = _photos(connection, list(states))
    _add_earlier(connection, items)
    products = product_photos.of_photos(connection, [item["photo_id"] for item in items])
    for item in items:
        product = products.get(item["photo_id"])
        item["product"] = vars(product) if product is not None else None
    for item in items:
        states[item.pop("return_key")]["items"].append(item)
    return [states[key] for key in keys if key in states]


def history(connection: Connection, key: str) -> list[dict[str, Any]]:
    """Return everything that people did with a return and its photos, oldest first.

    Each entry has ``at``, ``person``, ``kind`` (``decision``, ``photo``, ``repeat`` or a kind of ``return_events``) and
    the columns of its row.
    """
    decided = _rows(connection, select(return_decisions).where(return_decisions.c.return_key == key))
    of_return = select(photos.c.id).where(of_returns([key]))
    numbers = list(connection.execute(of_return).scalars())
    verdicts = select(reviews, photos.c.filename).join(photos, photos.c.id == reviews.c.photo_id)
    reviewed = _rows(connection, verdicts.where(reviews.c.photo_id.in_(numbers)))
    told = select(pairs).where(or_(pairs.c.photo_id.in_(numbers), pairs.c.earlier_id.in_(numbers)))
    entries: list[dict[str, Any]] = [
        *({**row, "kind": "decision", "at": row["decided_at"], "person": row["decided_by"]} for row in decided),
        *({**row, "kind": "photo", "at": row["created_at"], "person": row["reviewer"]} for row in reviewed),
        *({**row, "kind": "repeat", "at": row["created_at"]} for row in _rows(connection, told)),
        *({**row, "at": row["created_at"]} for row in return_events.events_of(connection, [key])),
    ]
    undone = {(entry["kind"], entry["undoes"]) for entry in entries if entry.get("undoes") is not None}
    for entry in entries:
        entry["is_undone"] = (entry["kind"], entry["id"]) in undone
    return sorted(entries, key=lambda entry: str(entry["at"]))


def linked_returns(connection: Connection, key: str) -> list[dict[str, Any]]:
    """Return the returns that a person linked with this one, because a photo of each shows the same item."""
    numbers = list(connection.execute(select(photos.c.id).where(of_returns([key]))).scalars())
    told = [row for row in repeat_verdicts.standing(connection, numbers) if row["verdict"] == "same_item"]
    others = {number for row in told for number in (row["photo_id"], row["earlier_id"])} - set(numbers)
    found = connection.execute(select(photos.c.id, photos.c.return_id).where(photos.c.id.in_(others)))
    keys = {return_key(row.return_id, row.id) for row in found} - {key}
    return sorted(states_of(connection, sorted(keys)), key=lambda row: str(row["first_seen"]))


def _photos(connection: Connection, keys: Sequence[str]) -> list[dict[str, Any]]:
    of_answer = and_(_answer.photo_id == outcomes.c.photo_id, _answer.run_id == outcomes.c.run_id)
    query = (
        select(
            *(outcomes.c[name] for name in _PHOTO),
            outcomes.c.return_id,
            outcomes.c.top3,
            _answer.id.label("prediction_id"),
            reviews.c.id.label("review_id"),
            reviews.c.verdict,
            reviews.c.to_class,
            reviews.c.reviewer,
        )
        .select_from(outcomes)
        .outerjoin(predictions_history, of_answer)
        .outerjoin(reviews, and_(reviews.c.photo_id == outcomes.c.photo_id, is_standing()))
        .where(outcomes.c.photo_id.in_(select(photos.c.id).where(of_returns(keys))))
        .order_by(outcomes.c.photo_id)
    )
    found = []
    for row in connection.execute(query).mappings():
        names = ("review_id", "verdict", "to_class", "reviewer")
        verdict = {name: row[name] for name in names} if row["review_id"] is not None else None
        found.append(
            {
                **{name: row[name] for name in (*_PHOTO, "prediction_id")},
                "return_key": return_key(row["return_id"] or "", row["photo_id"]),
                "top": json.loads(row["top3"]) if row["top3"] else [],
                "verdict": verdict,
                "earlier": None,
            }
        )
    return found


def _add_earlier(connection: Connection, items: list[dict[str, Any]]) -> None:
    """Add the earlier photo to each repeat of a photo of another return."""
    repeats = [item for item in items if item["repeat_of"] is not None]
    if not repeats:
        return
    names = ("id", "filename", "sha256", "return_id", "created_at")
    query = select(*(photos.c[name] for name in names)).where(photos.c.id.in_({row["repeat_of"] for row in repeats}))
    earlier = {row["id"]: row for row in _rows(connection, query)}
    keys = {return_key(row["return_id"], row["id"]) for row in earlier.values()}
    columns = ("return_key", "ordered", "final_decision", "decided_by", "decided_at", "first_seen")
    of_earlier = select(*(_state[name] for name in columns)).where(_state.return_key.in_(keys))
    states = {row["return_key"]: row for row in _rows(connection, of_earlier)}
    told = repeat_verdicts.standing(connection, [row["photo_id"] for row in repeats])
    verdicts = {(row["photo_id"], row["earlier_id"]): row["verdict"] for row in told}
    for item in repeats:
        photo = earlier[item["repeat_of"]]
        key = return_key(photo["return_id"], photo["id"])
        if key != item["return_key"]:
            pair = verdicts.get((item["photo_id"], photo["id"]))
            item["earlier"] = {**photo, "return_key": key, "verdict": pair, "state": states.get(key)}


def _rows(connection: Connection, query: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]
