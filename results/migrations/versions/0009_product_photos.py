"""The shop's pictures of what was ordered: where each one's picture for the desk is."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table, and an index of the photos that name a product photo."""
    op.create_table(
        "product_photos",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("sha256", sa.Text),
        sa.Column("problem", sa.Text),
        sa.Column("changed_at", sa.Text, nullable=False),
    )
    op.create_index("ix_product_photos_sha256", "product_photos", ["sha256"])
    named = sa.text("product_photo IS NOT NULL")
    op.create_index("ix_photos_product_photo", "photos", ["product_photo"], sqlite_where=named, postgresql_where=named)


def downgrade() -> None:
    """Drop the table and the index."""
    op.drop_index("ix_photos_product_photo", "photos")
    op.drop_table("product_photos")
