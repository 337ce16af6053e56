"""That a photo was drawn for a spot check belongs to the answer it was drawn with.

It used to lie on the photo, where the next answer's draw overwrote it: verdicts on the old answer were then counted by
a draw that they had nothing to do with.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# The draw that a photo kept was its newest answer's.
_FILL = """
UPDATE predictions_history SET audit = TRUE
WHERE id IN (
    SELECT MAX(answers.id) FROM predictions_history AS answers
    JOIN photos ON photos.id = answers.photo_id
    WHERE photos.audit
    GROUP BY photos.id
)
"""

# After a model was withdrawn the view shows an older answer, which may wait because of the newest one's draw.
_CLEAR_QUEUE = """
DELETE FROM review_queue
WHERE photo_id IN (
    SELECT photo_id FROM predictions WHERE decision = 'accept' AND COALESCE(mismatch, 0) = 0 AND repeat_of IS NULL
)
AND prediction_id NOT IN (SELECT id FROM predictions_history WHERE audit)
"""

# From the answer that the view shows, so that what waits goes on waiting.
_FILL_BACK = """
UPDATE photos SET audit = TRUE
WHERE id IN (
    SELECT predictions.photo_id FROM predictions
    JOIN predictions_history AS answers
        ON answers.photo_id = predictions.photo_id AND answers.run_id = predictions.run_id
    WHERE answers.audit
)
"""


def upgrade() -> None:
    """Move the mark from the photo to its newest answer."""
    _add_to("predictions_history")
    op.execute(_FILL)
    op.execute(_CLEAR_QUEUE)
    op.drop_column("photos", "audit")


def downgrade() -> None:
    """Move the mark back; those of older answers are lost."""
    _add_to("photos")
    op.execute(_FILL_BACK)
    op.drop_column("predictions_history", "audit")


def _add_to(table: str) -> None:
    op.add_column(table, sa.Column("audit", sa.Boolean, nullable=False, server_default=sa.false()))
