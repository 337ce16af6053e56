"""What is derived from photos, predictions and verdicts: the review queue and the state of returns."""

from collections.abc import Sequence

from sqlalchemy import Connection

from results import returns, review_queue


def refresh(connection: Connection, photo_ids: Sequence[int]) -> None:
    """Bring the review queue and the returns of these photos up to date.

    Call it in the transaction that changed a photo, its prediction, its order or its verdict.
    """
    review_queue.refresh(connection, photo_ids)
    returns.refresh(connection, photo_ids)
