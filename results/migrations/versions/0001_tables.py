"""Runs, photos, predictions and reviews.

Written out rather than taken from the schema module: a migration must go on doing what it did. With
``sqlite_autoincrement`` the id of a purged photo is never given to another one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_PREDICTIONS = """
CREATE VIEW predictions AS
SELECT
    photos.id AS photo_id,
    photos.filename AS filename,
    newest.predicted_class AS predicted_class,
    newest.confidence AS confidence,
    newest.timestamp AS timestamp,
    newest.decision AS decision,
    newest.reason AS reason,
    newest.model_version AS model_version,
    newest.contract_version AS contract_version,
    newest.run_id AS run_id,
    photos.sha256 AS sha256,
    newest.top3 AS top3,
    photos.source AS source,
    NULLIF(photos.return_id, '') AS return_id,
    photos.expected_category AS expected_category,
    CASE
        WHEN photos.expected_category IS NULL THEN NULL
        WHEN photos.expected_category <> newest.predicted_class THEN 1
        ELSE 0
    END AS mismatch,
    photos.repeat_of AS repeat_of
FROM photos
JOIN predictions_history AS newest ON newest.id = (
    SELECT MAX(answers.id) FROM predictions_history AS answers WHERE answers.photo_id = photos.id
)
WHERE photos.status = 'classified'
"""


def upgrade() -> None:
    """Create everything."""
    _create_runs()
    _create_photos()
    _create_predictions_history()
    _create_run_failures()
    _create_purged_rows()
    _create_reviews()
    op.execute(_PREDICTIONS)


def downgrade() -> None:
    """Remove everything, with its contents."""
    op.execute("DROP VIEW predictions")
    for name in ("reviews", "purged_rows", "run_failures", "predictions_history", "photos", "runs"):
        op.drop_table(name)


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("finished_at", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("exit_code", sa.Integer),
        sa.Column("message", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False, server_default="0")
            for name in ("found", "classified", "known", "failed", "left")
        ),
        sa.Column("model_version", sa.Text),
        sa.Column("contract_version", sa.Text),
        sa.Column("shard", sa.Text, nullable=False, server_default=""),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.CheckConstraint("status IN ('running', 'finished', 'stopped', 'interrupted')", name="status"),
        sa.CheckConstraint('found = classified + known + failed + "left"', name="accounting"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_status", "runs", ["status"])


def _create_photos() -> None:
    op.create_table(
        "photos",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("return_id", sa.Text, nullable=False, server_default=""),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("photo_fault", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("expected_category", sa.Text),
        sa.Column("repeat_of", _Id, sa.ForeignKey("photos.id")),
        sa.Column("audit", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.UniqueConstraint("source", "filename", "sha256", "return_id"),
        sa.CheckConstraint("status IN ('classified', 'failed')", name="status"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_photos_sha256", "photos", ["sha256"])
    op.create_index("ix_photos_repeat_of", "photos", ["repeat_of"])


def _create_predictions_history() -> None:
    op.create_table(
        "predictions_history",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("photo_id", _Id, sa.ForeignKey("photos.id"), nullable=False),
        sa.Column("run_id", _Id, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("predicted_class", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("top3", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("contract_version", sa.Text, nullable=False),
        sa.Column("timestamp", sa.Text, nullable=False),
        sa.Column("reused", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.UniqueConstraint("photo_id", "run_id"),
        sa.CheckConstraint("decision IN ('accept', 'review')", name="decision"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_predictions_history_photo_id_id", "predictions_history", ["photo_id", "id"])
    op.create_index("ix_predictions_history_run_id", "predictions_history", ["run_id"])


def _create_run_failures() -> None:
    op.create_table(
        "run_failures",
        sa.Column("run_id", _Id, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("photo_id", _Id, sa.ForeignKey("photos.id"), primary_key=True),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("is_new", sa.Boolean, nullable=False),
    )
    op.create_index("ix_run_failures_photo_id", "run_failures", ["photo_id"])


def _create_purged_rows() -> None:
    op.create_table(
        "purged_rows",
        sa.Column("run_id", _Id, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("predictions", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
    )


def _create_reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("photo_id", _Id, sa.ForeignKey("photos.id"), nullable=False),
        sa.Column("prediction_id", _Id, sa.ForeignKey("predictions_history.id"), nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("from_class", sa.Text, nullable=False),
        sa.Column("to_class", sa.Text),
        sa.Column("undoes", _Id, sa.ForeignKey("reviews.id")),
        sa.Column("created_at", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    for column in ("photo_id", "prediction_id", "undoes"):
        op.create_index(f"ix_reviews_{column}", "reviews", [column])
