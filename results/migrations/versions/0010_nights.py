"""The total of a run, the time when the next one is due, and an index that finds the oldest open return."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_INDEX = "ix_return_states_final_decision_first_seen_return_key"


def upgrade() -> None:
    """Add the column, the table and the index."""
    op.add_column("runs", sa.Column("total", sa.Integer))
    op.create_table(
        "planned_runs",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("shard", sa.Text, primary_key=True),
        sa.Column("due_at", sa.Text, nullable=False),
        sa.Column("noted_at", sa.Text, nullable=False),
    )
    op.create_index(_INDEX, "return_states", ["final_decision", "first_seen", "return_key"])


def downgrade() -> None:
    """Remove what came; the next scheduled times are forgotten."""
    op.drop_index(_INDEX, "return_states")
    op.drop_table("planned_runs")
    op.drop_column("runs", "total")
