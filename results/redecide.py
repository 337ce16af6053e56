"""Deciding again about stored predictions, after a manifest or a threshold changed, without asking the service."""

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Row, and_, bindparam, insert, select, update

from results import derived
from results.orders import Decision, Rule, decide, unpack
from results.schema import decision_changes, photos, predictions_history
from results.sql import now
from results.views import predictions

_GROUP = 500
_SAME = 1e-3  # float16 keeps three digits of a probability
_answer = predictions_history.c
_of_shown = and_(_answer.photo_id == predictions.c.photo_id, _answer.run_id == predictions.c.run_id)
Versions = tuple[str, str]
ReadOrder = Callable[[str, Versions], str | None]


@dataclass(frozen=True)
class Change:
    """An order or a decision that became another one.

    Attributes:
        was_by: the rule of the decision before, a row of ``decision_rules``; None if the service decided.
        expected_was: the ordered categories before.
        expected_category: the ordered categories now.
        is_by: the rule of the decision now; None if the rule is not stored.
    """

    photo_id: int
    prediction_id: int
    filename: str
    expected_was: str | None
    expected_category: str | None
    was: Decision
    is_now: Decision
    was_by: int | None
    is_by: int | None

    @property
    def is_decided_anew(self) -> bool:
        """Whether the decision changed, and not only the order."""
        return not _is_same(self.was, self.is_now)


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
        changed = find_changes(connection, photo_ids[start : start + _GROUP], lambda _: rule)
        changes += changed
        if changed and not dry_run:
            store_changes(connection, changed, cause)
    return changes


def photos_of(connection: Connection, run_id: int | None = None) -> Iterator[list[int]]:
    """Yield the ids of all classified photos in groups, or of those that a run classified.

    Photos of one return come in one group, so a group may be larger than the others.
    """
    chosen = photos.c.status == "classified"
    if run_id is not None:
        chosen &= photos.c.id.in_(select(_answer.photo_id).where(_answer.run_id == run_id))
    last, done = 0, set[str]()
    while True:
        query = select(photos.c.id, photos.c.return_id).where(photos.c.id > last, chosen)
        rows = connection.execute(query.order_by(photos.c.id).limit(_GROUP)).all()
        if not rows:
            return
        last = rows[-1].id
        returns = {row.return_id for row in rows if row.return_id} - done
        done |= returns
        group = {row.id for row in rows if not row.return_id}
        of_returns = select(photos.c.id).where(photos.c.return_id.in_(returns), chosen)
        group.update(connection.execute(of_returns).scalars())
        if group:
            yield sorted(group)


def find_changes(
    connection: Connection,
    photo_ids: Sequence[int],
    rule_of: Callable[[Versions], Rule | None],
    read_order: ReadOrder | None = None,
) -> list[Change]:
    """Return the orders and decisions that would be others now.

    Args:
        connection: for reading.
        photo_ids: of classified photos; others are passed over.
        rule_of: gets a model and a contract version, and returns the rule that decides about their predictions; None
            keeps these.
        read_order: gets the shop's word for what was ordered, and the versions, and returns the categories that it
            means; None keeps the categories that are stored.

    Returns:
        One change for each photo that changes, in the order of the photo ids.
    """
    query = (
        select(predictions.c.filename, predictions.c.expected_category, photos.c.shop_category, predictions_history)
        .join(predictions_history, _of_shown)
        .join(photos, photos.c.id == predictions.c.photo_id)
        .where(predictions.c.photo_id.in_(photo_ids))
        .order_by(predictions.c.photo_id)
    )
    found = []
    for row in connection.execute(query):
        versions = (row.model_version, row.contract_version)
        rule = rule_of(versions)
        if rule is None:
            continue
        expected = row.expected_category
        if read_order is not None and row.shop_category is not None:
            expected = read_order(row.shop_category, versions)
        change = _change(row, expected, rule)
        if change.is_decided_anew or change.expected_was != change.expected_category:
            found.append(change)
    return found


def store_changes(
    connection: Connection, changes: Sequence[Change], cause: Literal["manifest", "threshold"], audit_share: float = 0.0
) -> None:
    """Store changes; the queue and the returns follow.

    Args:
        connection: in the transaction in which the changes were found.
        changes: from :func:`find_changes`.
        cause: why.
        audit_share: share of the newly accepted photos that a person looks at, drawn at random.
    """
    moment = now()
    orders = [
        {"of_photo": change.photo_id, "expected_category": change.expected_category}
        for change in changes
        if change.expected_was != change.expected_category
    ]
    decided = [change for change in changes if change.is_decided_anew]
    if orders:
        connection.execute(update(photos).where(photos.c.id == bindparam("of_photo")), orders)
    if decided:
        traces = [
            {
                "prediction_id": change.prediction_id,
                "changed_at": moment,
                "cause": cause,
                "was": json.dumps({**vars(change.was), "rule_id": change.was_by}, separators=(",", ":")),
            }
            for change in decided
        ]
        connection.execute(insert(decision_changes), traces)
        values = [
            {"answer": change.prediction_id, **vars(change.is_now), "rule_id": change.is_by} for change in decided
        ]
        connection.execute(update(predictions_history).where(_answer.id == bindparam("answer")), values)
    accepted = [change for change in decided if (change.was.decision, change.is_now.decision) == ("review", "accept")]
    drawn = [change.prediction_id for change in accepted if random.random() < audit_share]
    if drawn:
        connection.execute(update(predictions_history).where(_answer.id.in_(drawn)).values(audit=True))
    derived.refresh(connection, [change.photo_id for change in changes])


def _change(row: Row[tuple[object, ...]], expected: str | None, rule: Rule) -> Change:
    was = Decision(row.decision, row.reason, row.match_probability, row.match_verdict)
    new, by = was, row.rule_id
    if row.probabilities is not None:
        new, by = decide(unpack(row.probabilities), expected, rule), rule.rule_id
    return Change(row.photo_id, row.id, row.filename, row.expected_category, expected, was, new, row.rule_id, by)


def _is_same(was: Decision, new: Decision) -> bool:
    words = (was.decision, was.reason, was.match_verdict) == (new.decision, new.reason, new.match_verdict)
    if was.match_probability is None or new.match_probability is None:
        return words and was.match_probability is new.match_probability
    return words and math.isclose(was.match_probability, new.match_probability, abs_tol=_SAME)
