"""Fingerprints for near repeats, the kind of a repeat, and which model's answer the view shows.

The view used to show a photo's newest answer. After a model was withdrawn that was still the withdrawn model's, for
the model before it had answered earlier and was not asked again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_PREDICTIONS = """
CREATE VIEW predictions AS
SELECT
    photos.id AS photo_id,
    photos.filename AS filename,
    shown.predicted_class AS predicted_class,
    shown.confidence AS confidence,
    shown.timestamp AS timestamp,
    shown.decision AS decision,
    shown.reason AS reason,
    shown.model_version AS model_version,
    shown.contract_version AS contract_version,
    shown.run_id AS run_id,
    photos.sha256 AS sha256,
    shown.top3 AS top3,
    photos.source AS source,
    NULLIF(photos.return_id, '') AS return_id,
    photos.expected_category AS expected_category,
    CASE
        WHEN photos.expected_category IS NULL THEN NULL
        WHEN photos.expected_category <> shown.predicted_class THEN 1
        ELSE 0
    END AS mismatch,
    photos.repeat_of AS repeat_of{more}
FROM photos
JOIN predictions_history AS shown ON shown.id = (
    SELECT MAX(answers.id) FROM predictions_history AS answers WHERE answers.photo_id = photos.id{of_model}
)
WHERE photos.status = 'classified'
"""
_MORE = """,
    photos.repeat_kind AS repeat_kind,
    CASE WHEN shown.reused THEN 1 ELSE 0 END AS reused"""
_OF_MODEL = """
        AND answers.model_version = photos.model_version AND answers.contract_version = photos.contract_version"""
_NEWEST = """
(SELECT {0} FROM predictions_history WHERE id = (SELECT MAX(id) FROM predictions_history WHERE photo_id = photos.id))
"""


def upgrade() -> None:
    """Add, fill and show the new columns."""
    op.execute("DROP VIEW predictions")
    # In plain SQL: SQLite takes a constraint with a new column, and Alembic would write it as a statement of its own.
    op.execute(
        "ALTER TABLE photos ADD COLUMN repeat_kind TEXT "
        "CONSTRAINT ck_photos_repeat_kind CHECK (repeat_kind IN ('exact', 'near'))"
    )
    for name in ("model_version", "contract_version"):
        op.add_column("photos", sa.Column(name, sa.Text))
    op.execute("UPDATE photos SET repeat_kind = 'exact' WHERE repeat_of IS NOT NULL")
    newest = ", ".join(f"{name} = {_NEWEST.format(name)}" for name in ("model_version", "contract_version"))
    op.execute(f"UPDATE photos SET {newest}")  # noqa: S608  # our own names
    op.create_table(
        "fingerprints",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("dhash", sa.BigInteger, nullable=False),
        sa.Column("miniature", sa.LargeBinary, nullable=False),
        *(sa.Column(f"band{number}", sa.Integer, nullable=False) for number in range(3)),
        sa.UniqueConstraint("sha256"),
    )
    for number in range(3):
        op.create_index(f"ix_fingerprints_band{number}_dhash", "fingerprints", [f"band{number}", "dhash"])
    op.execute(_PREDICTIONS.format(more=_MORE, of_model=_OF_MODEL))


def downgrade() -> None:
    """Remove them; the repeats that only look alike are repeats no more."""
    op.execute("DROP VIEW predictions")
    op.execute("UPDATE photos SET repeat_of = NULL WHERE repeat_kind = 'near'")
    op.drop_table("fingerprints")
    for name in ("repeat_kind", "model_version", "contract_version"):
        op.drop_column("photos", name)
    op.execute(_PREDICTIONS.format(more="", of_model=""))
