"""Deciding again about stored predictions, after a manifest or a threshold changed, without asking the service."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Row, and_, insert, select, update

from results import derived
from results.orders import Decision, Rule, decide, unpack
from results.schema import decision_changes, photos, predictions_history
from results.sql import now
from results.views import predictions

_GROUP = 500
_SAME = 1e-3  # float16 keeps three digits of a probability
_answer = predictions_history.c
_of_shown = and_(_answer.photo_id == predictions.c.photo_id, _answer.run_id == predictions.c.run_id)


@dataclass(frozen=True)
class Change:
    """A decision that became another one.

    Attributes:
        was_by: the rule of the decision before, a row of ``decision_rules``; None if the service decided.
    """

    photo_id: int
    prediction_id: int
    filename: str
    expected_category: str | None
    was: Decision
    is_now: Decision
    was_by: int | None


def redecide(
    connection: Connection,
    photo_ids: Sequence[int],
    rule: Rule,
    cause: Literal["manifest", "threshold"],
    dry_run: bool = False,
) -> list[Change]:
    """Decide again about photos, by the order that their records name now.

    A prediction without stored probabilities keeps its decision. What a decision was before stays in the table
    ``decision_changes``. The queue and the returns follow in the same transaction.

    Args:
        connection: in a transaction, unless ``dry_run``.
        photo_ids: of classified photos; others are passed over.
        rule: of the model whose predictions the view ``predictions`` shows.
        cause: why.
        dry_run: only report what would change.

    Returns:
        The decisions that changed, in the order of the photo ids.
    """
    changes: list[Change] = []
    for start in range(0, len(photo_ids), _GROUP):
        some = photo_ids[start : start + _GROUP]
        query = (
            select(predictions.c.filename, predictions.c.expected_category, predictions_history)
            .join(predictions_history, _of_shown)
            .where(predictions.c.photo_id.in_(some), _answer.probabilities.is_not(None))
            .order_by(predictions.c.photo_id)
        )
        changed = [change for row in connection.execute(query) if (change := _change(row, rule)) is not None]
        changes += changed
        if changed and not dry_run:
            _store(connection, changed, cause, rule.rule_id)
    return changes


def photos_of(connection: Connection, run_id: int | None = None) -> Iterator[list[int]]:
    """Yield the ids of all classified photos in groups, or of those that a run classified."""
    last = 0
    while True:
        query = select(photos.c.id).where(photos.c.id > last, photos.c.status == "classified")
        if run_id is not None:
            query = query.where(photos.c.id.in_(select(_answer.photo_id).where(_answer.run_id == run_id)))
        group = list(connection.execute(query.order_by(photos.c.id).limit(_GROUP)).scalars())
        if not group:
            return
        yield group
        last = group[-1]


def _change(row: Row[tuple[object, ...]], rule: Rule) -> Change | None:
    was = Decision(row.decision, row.reason, row.match_probability, row.match_verdict)
    new = decide(unpack(row.probabilities), row.expected_category, rule)
    if _is_same(was, new):
        return None
    return Change(row.photo_id, row.id, row.filename, row.expected_category, was, new, row.rule_id)


def _is_same(was: Decision, new: Decision) -> bool:
    words = (was.decision, was.reason, was.match_verdict) == (new.decision, new.reason, new.match_verdict)
    if was.match_probability is None or new.match_probability is None:
        return words and was.match_probability is new.match_probability
    return words and math.isclose(was.match_probability, new.match_probability, abs_tol=_SAME)


def _store(connection: Connection, changes: Sequence[Change], cause: str, rule_id: int | None) -> None:
    moment = now()
    for change in changes:
        was = json.dumps({**vars(change.was), "rule_id": change.was_by}, separators=(",", ":"))
        row = {"prediction_id": change.prediction_id, "changed_at": moment, "cause": cause, "was": was}
        connection.execute(insert(decision_changes).values(**row))
        connection.execute(
            update(predictions_history)
            .where(_answer.id == change.prediction_id)
            .values(**vars(change.is_now), rule_id=rule_id)
        )
    photo_ids = [change.photo_id for change in changes]
    derived.refresh(connection, photo_ids)
