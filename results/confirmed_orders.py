"""Photos whose order a person confirmed by clearing the return: they need no verdict to be a label."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from results.orders import SEPARATOR
from results.return_lists import ReturnCriteria, all_returns
from results.returns import of_returns, standing_decisions
from results.schema import photos
from results.views import outcomes

VERDICT = "cleared"
_outcome = outcomes.c
_COLUMNS = ("photo_id", "sha256", "predicted_class", "confidence", "top3")


def confirmed_orders(connection: Connection, size: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the photos that match their order, in returns that a person cleared and that are cleared still.

    Only orders of exactly one category name what the photo shows. Photos with a verdict of their own are left out,
    because the verdict says it.

    Args:
        connection: for reading.
        size: returns of a page.

    Yields:
        Rows with ``photo_id``, ``sha256``, ``predicted_class``, ``confidence``, ``top3``, ``verdict`` (``cleared``),
        ``verdict_class``, ``reviewer`` and ``reviewed_at``.
    """
    for page in all_returns(connection, ReturnCriteria(final_decision="cleared"), size):
        keys = [row["return_key"] for row in page if row["decided_by"] != "model"]
        for key, decision in standing_decisions(connection, keys).items():
            if decision["decision"] != "cleared":
                continue
            query = select(*(_outcome[name] for name in _COLUMNS), _outcome.expected_category).where(
                _outcome.photo_id.in_(select(photos.c.id).where(of_returns([key]))),
                _outcome.match_verdict == "match",
                _outcome.finding == "match",
                _outcome.decided_by == "model",
                _outcome.expected_category.not_like(f"%{SEPARATOR}%"),
            )
            said = {"verdict": VERDICT, "reviewer": decision["decided_by"], "reviewed_at": decision["decided_at"]}
            rows = connection.execute(query.order_by(_outcome.photo_id)).mappings()
            yield [
                {**{name: row[name] for name in _COLUMNS}, "verdict_class": row["expected_category"], **said}
                for row in rows
            ]
