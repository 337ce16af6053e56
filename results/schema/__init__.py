"""The tables, as SQLAlchemy Core knows them; ``migrations/`` is what creates them and the view on them.

Times are text, ISO 8601 in UTC with a ``Z``: they sort as they read, and look alike in SQLite and PostgreSQL.
"""

from results.schema.base import STORABLE_TEXT, metadata
from results.schema.photo_tables import (
    decision_changes,
    decision_rules,
    fingerprints,
    photos,
    predictions_history,
    product_photos,
)
from results.schema.return_tables import (
    RETURN_COUNTS,
    outbox,
    return_decisions,
    return_events,
    return_queue,
    return_states,
)
from results.schema.review_tables import repeat_verdicts, review_queue, reviews
from results.schema.run_tables import planned_runs, purged_rows, run_failures, run_notes, runs

__all__ = [
    "RETURN_COUNTS",
    "STORABLE_TEXT",
    "decision_changes",
    "decision_rules",
    "fingerprints",
    "metadata",
    "outbox",
    "photos",
    "planned_runs",
    "predictions_history",
    "product_photos",
    "purged_rows",
    "repeat_verdicts",
    "return_decisions",
    "return_events",
    "return_queue",
    "return_states",
    "review_queue",
    "reviews",
    "run_failures",
    "run_notes",
    "runs",
]
