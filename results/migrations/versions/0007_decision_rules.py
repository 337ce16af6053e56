"""The rules that decide, and by which of them each prediction was decided."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_THRESHOLDS = ("accept_threshold", "unknown_threshold", "match_threshold", "mismatch_threshold")


def upgrade() -> None:
    """Add the table and the column; predictions of before have no rule."""
    op.create_table(
        "decision_rules",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("contract_version", sa.Text, nullable=False),
        sa.Column("classes", sa.Text, nullable=False),
        *(sa.Column(name, sa.Float, nullable=False) for name in _THRESHOLDS),
        sa.Column("contract_match_threshold", sa.Float, nullable=False),
        sa.Column("lowest_match_threshold", sa.Float),
        sa.Column("highest_match_threshold", sa.Float),
        sa.Column("used_at", sa.Text, nullable=False),
        sa.UniqueConstraint("model_version", "contract_version", *_THRESHOLDS),
    )
    op.add_column("predictions_history", sa.Column("rule_id", _Id))


def downgrade() -> None:
    """Remove both."""
    op.drop_column("predictions_history", "rule_id")
    op.drop_table("decision_rules")
