"""Indexes that find what people decided by time and by person."""

from alembic import op

revision = "0008"
down_revision = "0007"

_INDEXES = {
    "reviews": (("created_at", "id"), ("reviewer", "created_at", "id")),
    "return_decisions": (("decided_at", "id"), ("decided_by", "decided_at", "id")),
}


def upgrade() -> None:
    """Add the indexes."""
    for table, indexes in _INDEXES.items():
        for columns in indexes:
            op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def downgrade() -> None:
    """Drop the indexes."""
    for table, indexes in _INDEXES.items():
        for columns in indexes:
            op.drop_index(f"ix_{table}_{'_'.join(columns)}", table)
