"""The review queue, and the indexes of search and figures."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_SEARCHED = {
    "photos": (["filename", "id"], ["return_id"]),
    "predictions_history": (["predicted_class", "id"], ["timestamp", "id"], ["run_id", "predicted_class", "decision"]),
    "reviews": (["verdict", "id"],),
}

_FILL = """
INSERT INTO review_queue (photo_id, prediction_id, place, predicted_class)
SELECT
    predictions.photo_id,
    answers.id,
    CASE
        WHEN predictions.mismatch = 1 THEN 1 - predictions.confidence
        WHEN predictions.repeat_of IS NOT NULL THEN 1 + predictions.confidence
        ELSE 2 + predictions.confidence
    END,
    predictions.predicted_class
FROM predictions
JOIN predictions_history AS answers
    ON answers.photo_id = predictions.photo_id AND answers.run_id = predictions.run_id
JOIN photos ON photos.id = predictions.photo_id
WHERE (
    predictions.decision = 'review'
    OR predictions.mismatch = 1
    OR predictions.repeat_of IS NOT NULL
    OR photos.audit
)
AND NOT EXISTS (
    SELECT 1 FROM reviews
    WHERE reviews.photo_id = photos.id
    AND reviews.verdict <> 'undone'
    AND NOT EXISTS (SELECT 1 FROM reviews AS undo WHERE undo.undoes = reviews.id)
)
"""


def upgrade() -> None:
    """Create the queue with what waits already, and the indexes."""
    op.create_table(
        "review_queue",
        sa.Column("photo_id", _Id, sa.ForeignKey("photos.id"), primary_key=True),
        sa.Column("prediction_id", _Id, sa.ForeignKey("predictions_history.id"), nullable=False),
        sa.Column("place", sa.Float, nullable=False),
        sa.Column("predicted_class", sa.Text, nullable=False),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_until", sa.Text),
    )
    op.create_index("ix_review_queue_place_photo_id", "review_queue", ["place", "photo_id"])
    columns = ["predicted_class", "place", "photo_id"]
    op.create_index("ix_review_queue_predicted_class_place_photo_id", "review_queue", columns)
    op.create_index("ix_review_queue_claimed_by", "review_queue", ["claimed_by"])
    op.create_index("ix_review_queue_prediction_id", "review_queue", ["prediction_id"])
    for table, indexes in _SEARCHED.items():
        for columns in indexes:
            # PostgreSQL: LIKE 'name%' goes by an index only if it is told that this is what it is for.
            operators = {"filename": "text_pattern_ops"} if "filename" in columns else {}
            op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns, postgresql_ops=operators)
    op.execute(_FILL)


def downgrade() -> None:
    """Remove the queue and the indexes; verdicts stay."""
    for table, indexes in _SEARCHED.items():
        for columns in indexes:
            op.drop_index(f"ix_{table}_{'_'.join(columns)}", table)
    op.drop_table("review_queue")
