"""Returns with what the model and what people say of them, so that the two can be compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, and_, case, cast, func, literal, or_, select

from results.orders import is_another
from results.returns import decision_stands, return_key
from results.reviews import is_standing
from results.schema import photos, predictions_history, return_decisions, reviews

_answer = predictions_history.c


@dataclass
class JudgedReturn:
    """What counts of one return.

    Attributes:
        best: the highest match probability by order.
        accepted: the orders of which a photo matches by the decisions that are stored.
        is_blocked: a photo is a mismatch, a repeat or failed, so that no threshold clears the return.
        is_drawn: a photo of it was drawn for a spot check.
        is_wrong: whether people saw another item than ordered; None if nobody said so or the contrary.
    """

    best: dict[str, float] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    is_blocked: bool = False
    is_drawn: bool = False
    is_wrong: bool | None = None

    @property
    def is_cleared(self) -> bool:
        """Whether the model clears it by the decisions that are stored."""
        return not self.is_blocked and self.accepted == self.best.keys()

    @property
    def limit(self) -> float:
        """The highest threshold that clears the return; -1 if none does."""
        return -1.0 if self.is_blocked else min(self.best.values())

    def add(self, order: str | None, limit: float, is_accepted: bool, is_drawn: bool) -> None:
        """Add a photo.

        Args:
            order: the ordered categories; None without an order.
            limit: the highest threshold at which it matches; -1 for none.
            is_accepted: by the decision that is stored.
            is_drawn: for a spot check.
        """
        self.is_drawn |= is_drawn
        if limit < 0:
            self.is_blocked = True
        if order is not None:
            self.best[order] = max(limit, self.best.get(order, -1.0))
            if is_accepted:
                self.accepted.add(order)


def load_returns(connection: Connection, run_ids: Sequence[int]) -> tuple[list[JudgedReturn], list[float]]:
    """Return the returns with an order whose photos these runs classified, and the limits of their ordered photos."""
    of_nights = photos.c.id.in_(select(_answer.photo_id).where(_answer.run_id.in_(run_ids)))
    return_ids = select(photos.c.return_id).where(of_nights, photos.c.return_id != "")
    chosen = or_(photos.c.return_id.in_(return_ids), and_(of_nights, photos.c.return_id == ""))
    returns: dict[str, JudgedReturn] = {}
    limits: list[float] = []
    for return_id, photo_id, order, limit, decision, audit in _shown(connection, chosen):
        key = return_key(return_id, photo_id)
        each = returns.get(key)
        if each is None:
            each = returns[key] = JudgedReturn()
        each.add(order, limit, decision == "accept", bool(audit))
        if order is not None:
            limits.append(limit)
    _judge_by_verdicts(connection, chosen, returns)
    _judge_by_decisions(connection, chosen, returns)
    return [each for each in returns.values() if each.best], limits


def _shown(connection: Connection, chosen: ColumnElement[bool]) -> Iterable[Any]:
    """Return the chosen photos, each with what its current prediction says if it has one.

    The fourth column is the highest match threshold at which the photo matches, -1 if it failed, repeats a photo of
    another return or is a mismatch.
    """
    newest = (
        select(func.max(_answer.id))
        .where(
            _answer.photo_id == photos.c.id,
            _answer.model_version == photos.c.model_version,
            _answer.contract_version == photos.c.contract_version,
        )
        .correlate(photos)
        .scalar_subquery()
    )
    earlier = photos.alias("earlier")
    is_other = or_(photos.c.return_id == "", earlier.c.return_id != photos.c.return_id)
    order = photos.c.expected_category
    is_another_category = (
        literal("|").concat(order).concat("|").not_like(literal("%|").concat(_answer.predicted_class).concat("|%"))
    )
    limit = case(
        (or_(photos.c.status == "failed", earlier.c.id.is_not(None), _answer.match_verdict == "mismatch"), -1.0),
        (_answer.match_probability.is_not(None), _answer.match_probability),
        (is_another_category, -1.0),  # stored before the order check
        (_answer.decision == "accept", 1.0),
        else_=0.0,
    )
    return connection.execute(
        select(photos.c.return_id, photos.c.id, order, limit, _answer.decision, _answer.audit)
        .outerjoin(predictions_history, _answer.id == newest)
        .outerjoin(earlier, and_(earlier.c.id == photos.c.repeat_of, is_other))
        .where(chosen)
    ).all()


def _judge_by_verdicts(
    connection: Connection, chosen: ColumnElement[bool], returns: Mapping[str, JudgedReturn]
) -> None:
    """Take over what people said about single photos; one refused photo makes the whole return wrong."""
    query = (
        select(photos.c.id, photos.c.return_id, photos.c.expected_category, reviews.c.verdict, reviews.c.to_class)
        .join(photos, photos.c.id == reviews.c.photo_id)
        .where(chosen, is_standing(), reviews.c.verdict != "unusable")
    )
    for row in connection.execute(query):
        each = returns[return_key(row.return_id, row.id)]
        refused = row.to_class is None or is_another(row.to_class, row.expected_category)
        each.is_wrong = bool(each.is_wrong) or refused


def _judge_by_decisions(
    connection: Connection, chosen: ColumnElement[bool], returns: Mapping[str, JudgedReturn]
) -> None:
    """Take over what people decided about whole returns; a hold for another reason says nothing about the order."""
    key = case((photos.c.return_id != "", "r:" + photos.c.return_id), else_="p:" + cast(photos.c.id, Text))
    decision = return_decisions.c
    query = select(decision.return_key, decision.decision, decision.reason).where(
        decision.return_key.in_(select(key).where(chosen)), decision_stands()
    )
    for key_of_return, decided, reason in connection.execute(query.order_by(decision.id)):
        if decided == "cleared":
            returns[key_of_return].is_wrong = False
        elif reason == "not_what_was_ordered":
            returns[key_of_return].is_wrong = True
