"""Accepted photos that were drawn at random and wait for a person."""

from typing import Any

from sqlalchemy import Connection, Select, func, select

from results.schema import predictions_history, review_queue

_answer = predictions_history.c
# A subquery for each row of the queue, which is short: as a join, SQLite may begin with all predictions.
_is_spot_check = (
    select(_answer.audit)
    .where(_answer.id == review_queue.c.prediction_id, _answer.decision == "accept")
    .scalar_subquery()
)


def count_due(connection: Connection, most: int) -> int:
    """Count the spot checks that are due; counting stops at so many."""
    return int(connection.execute(select(func.count()).select_from(_due().limit(most).subquery())).scalar_one())


def photos_due(connection: Connection, most: int) -> list[int]:
    """Return the ids of the photos that wait for a spot check, in the order of the queue."""
    query = _due().order_by(review_queue.c.place, review_queue.c.photo_id).limit(most)
    return list(connection.execute(query).scalars())


def _due() -> Select[Any]:
    return select(review_queue.c.photo_id).where(_is_spot_check)
