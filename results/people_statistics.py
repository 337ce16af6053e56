"""Figures of each person: how much they decided, how fast, and how often they overruled the model at spot checks."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any

from sqlalchemy import Column, Connection, and_, or_, select

from results.audit import AuditCriteria
from results.reviews import is_standing
from results.schema import predictions_history, return_decisions, reviews

MOST_DECISIONS = 5_000  # that one page counts, so that it answers fast however many there are
BREAK_SECONDS = 300.0  # a longer gap between two decisions is a break

_answer = predictions_history.c
_SPOT_CHECK = and_(_answer.audit, _answer.decision == "accept", is_standing(), reviews.c.verdict != "unusable")
_OVERRULED = and_(_SPOT_CHECK, or_(reviews.c.to_class.is_(None), reviews.c.to_class != reviews.c.from_class))


@dataclass(frozen=True)
class PersonFigures:
    """What one person did.

    Attributes:
        person: name of the user, or ``api:NAME`` of a system.
        decisions: about photos and returns, those that were taken back later included.
        taken_back: how often the person took a decision back, their own or another's.
        median_seconds: half of the decisions came sooner after the one before; breaks do not count. None without any.
        spot_checks: verdicts on accepted photos that were drawn at random.
        overruled: spot checks for which the person named another category than the model, or none.
    """

    person: str
    decisions: int
    taken_back: int
    median_seconds: float | None
    spot_checks: int
    overruled: int


@dataclass(frozen=True)
class _Decision:
    at: str
    person: str
    is_undo: bool
    is_spot_check: bool = False
    is_overruled: bool = False


def figures_by_person(connection: Connection, criteria: AuditCriteria) -> tuple[list[PersonFigures], bool]:
    """Return the figures of each person, who decided most first, and whether older decisions were left out.

    Args:
        connection: for reading.
        criteria: whose decisions, and of which time; the newest ``MOST_DECISIONS`` of each kind count.
    """
    verdicts = _verdicts(connection, criteria)
    about_returns = _about_returns(connection, criteria)
    by_person: defaultdict[str, list[_Decision]] = defaultdict(list)
    for decision in (*verdicts, *about_returns):
        by_person[decision.person].append(decision)
    figures = [_figures(person, decisions) for person, decisions in by_person.items()]
    is_partial = max(len(verdicts), len(about_returns)) == MOST_DECISIONS
    return sorted(figures, key=lambda row: (-row.decisions, row.person)), is_partial


def _verdicts(connection: Connection, criteria: AuditCriteria) -> list[_Decision]:
    of = reviews.c
    query = (
        select(of.created_at, of.reviewer, of.verdict == "undone", _SPOT_CHECK, _OVERRULED)
        .join(predictions_history, _answer.id == of.prediction_id)
        .where(*criteria.of(of.reviewer, of.created_at))
    )
    return _newest(connection, query, of.created_at, of.id)


def _about_returns(connection: Connection, criteria: AuditCriteria) -> list[_Decision]:
    of = return_decisions.c
    query = select(of.decided_at, of.decided_by, of.decision == "undone")
    query = query.where(*criteria.of(of.decided_by, of.decided_at))
    return _newest(connection, query, of.decided_at, of.id)


def _newest(connection: Connection, query: Any, at: Column[Any], number: Column[Any]) -> list[_Decision]:
    rows = connection.execute(query.order_by(at.desc(), number.desc()).limit(MOST_DECISIONS))
    return [_Decision(row[0], row[1], *map(bool, row[2:])) for row in rows]


def _figures(person: str, decisions: Sequence[_Decision]) -> PersonFigures:
    made = [decision for decision in decisions if not decision.is_undo]
    return PersonFigures(
        person,
        len(made),
        len(decisions) - len(made),
        _median_gap([decision.at for decision in made]),
        sum(decision.is_spot_check for decision in made),
        sum(decision.is_overruled for decision in made),
    )


def _median_gap(moments: Sequence[str]) -> float | None:
    """Return the median of the seconds between moments that follow each other without a break."""
    sorted_moments = [datetime.fromisoformat(moment).timestamp() for moment in sorted(moments)]
    gaps = [later - earlier for earlier, later in pairwise(sorted_moments)]
    counted = [gap for gap in gaps if gap <= BREAK_SECONDS]
    return median(counted) if counted else None
