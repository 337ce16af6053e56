"""What people say about photos, and which photos wait for them."""

from sqlalchemy import Boolean, CheckConstraint, Column, Float, ForeignKey, Index, Table, Text, false

from results.schema.base import Id, metadata

reviews = Table(
    "reviews",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("photo_id", Id, ForeignKey("photos.id"), nullable=False),
    Column("prediction_id", Id, ForeignKey("predictions_history.id"), nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("from_class", Text, nullable=False),
    Column("to_class", Text),
    Column("undoes", Id, ForeignKey("reviews.id")),
    Column("created_at", Text, nullable=False),
    Column("note", Text),
    Index("ix_reviews_photo_id", "photo_id"),
    Index("ix_reviews_prediction_id", "prediction_id"),
    Index("ix_reviews_undoes", "undoes"),
    Index("ix_reviews_verdict_id", "verdict", "id"),
    Index("ix_reviews_created_at_id", "created_at", "id"),
    Index("ix_reviews_reviewer_created_at_id", "reviewer", "created_at", "id"),
)

# What waits for a person, in order; see results/review_queue.py.
review_queue = Table(
    "review_queue",
    metadata,
    Column("photo_id", Id, ForeignKey("photos.id"), primary_key=True),
    Column("prediction_id", Id, ForeignKey("predictions_history.id"), nullable=False),
    Column("place", Float, nullable=False),  # the smallest comes first
    Column("predicted_class", Text, nullable=False),
    # Decided on the page for single photos: it has no return and is no repeat, or it was drawn for a spot check.
    Column("by_itself", Boolean, nullable=False, default=False, server_default=false()),
    Column("claimed_by", Text),  # the desk that shows it
    Column("claimed_until", Text),
    Index("ix_review_queue_place_photo_id", "place", "photo_id"),
    Index("ix_review_queue_by_itself_place_photo_id", "by_itself", "place", "photo_id"),
    Index("ix_review_queue_predicted_class_place_photo_id", "predicted_class", "place", "photo_id"),
    Index("ix_review_queue_claimed_by", "claimed_by"),
    Index("ix_review_queue_prediction_id", "prediction_id"),
)

# What people say about a photo and the earlier photo that it repeats. Append-only: an undo is one more row.
repeat_verdicts = Table(
    "repeat_verdicts",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("photo_id", Id, ForeignKey("photos.id"), nullable=False),
    Column("earlier_id", Id, ForeignKey("photos.id"), nullable=False),
    Column("verdict", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("undoes", Id, ForeignKey("repeat_verdicts.id")),
    CheckConstraint("verdict IN ('same_item', 'another_item', 'undone')", name="verdict"),
    Index("ix_repeat_verdicts_photo_id", "photo_id"),
    Index("ix_repeat_verdicts_earlier_id", "earlier_id"),
    Index("ix_repeat_verdicts_undoes", "undoes"),
)
