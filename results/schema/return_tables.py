"""The returns: their state, what people decide about them, which ones wait, and what the shop must still be told."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from results.schema.base import Id, metadata

# What people decide about whole returns. Append-only: an undo is one more row.
return_decisions = Table(
    "return_decisions",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("return_key", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text),
    Column("note", Text),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Text, nullable=False),
    Column("undoes", Id, ForeignKey("return_decisions.id")),
    CheckConstraint("decision IN ('cleared', 'hold', 'undone')", name="decision"),
    Index("ix_return_decisions_return_key_id", "return_key", "id"),
    Index("ix_return_decisions_undoes", "undoes"),
    Index("ix_return_decisions_decided_at_id", "decided_at", "id"),
    Index("ix_return_decisions_decided_by_decided_at_id", "decided_by", "decided_at", "id"),
)

# What people write and mark on returns; append-only. The newest row of a kind counts.
return_events = Table(
    "return_events",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("return_key", Text, nullable=False),
    Column("kind", Text, nullable=False),  # note, flagged, unflagged, asked (the lead), withdrawn (the question)
    Column("text", Text),
    Column("person", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    CheckConstraint("kind IN ('note', 'flagged', 'unflagged', 'asked', 'withdrawn')", name="kind"),
    Index("ix_return_events_return_key_id", "return_key", "id"),
    Index("ix_return_events_person_return_key", "person", "return_key"),
)

RETURN_COUNTS = ("photos", "matching", "unsure", "mismatches", "repeats", "unusable", "refused", "failed")

# The state of each return, kept up to date by results/returns.py so that lists of returns cost the same at any size.
return_states = Table(
    "return_states",
    metadata,
    Column("return_key", Text, primary_key=True),  # "r:" and the return id, or "p:" and the photo id
    Column("return_id", Text),
    Column("ordered", Text),
    *(Column(name, Integer, nullable=False) for name in RETURN_COUNTS),
    Column("final_decision", Text, nullable=False),  # cleared, hold, open
    Column("reason", Text),
    Column("decided_by", Text),
    Column("decided_at", Text),
    Column("note", Text),
    Column("first_seen", Text, nullable=False),
    Column("newest_photo_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("flagged", Integer, nullable=False, default=0, server_default="0"),  # 1: a person marked it
    Column("asked_by", Text),  # who asked the lead about it; NULL: nobody waits for an answer
    Column("asked_at", Text),
    CheckConstraint("final_decision IN ('cleared', 'hold', 'open')", name="final_decision"),
    Index("ix_return_states_return_id", "return_id"),
    Index("ix_return_states_final_decision_changed_at_return_key", "final_decision", "changed_at", "return_key"),
    Index("ix_return_states_final_decision_first_seen_return_key", "final_decision", "first_seen", "return_key"),
    Index("ix_return_states_changed_at_return_key", "changed_at", "return_key"),
    Index(
        "ix_return_states_flagged", "changed_at", sqlite_where=text("flagged = 1"), postgresql_where=text("flagged = 1")
    ),
    Index(
        "ix_return_states_noted",
        "changed_at",
        sqlite_where=text("note IS NOT NULL"),
        postgresql_where=text("note IS NOT NULL"),
    ),
)

# The returns that wait for a person, in order; see results/return_queue.py.
return_queue = Table(
    "return_queue",
    metadata,
    Column("return_key", Text, primary_key=True),
    Column("kind", Integer, nullable=False),  # 0 mismatch, 1 repeat, 2 the rest; the smallest comes first
    Column("first_seen", Text, nullable=False),
    Column("asked", Integer, nullable=False),  # 1: it waits for the lead
    Column("category", Text),  # what the model saw on a photo that it was not content with
    Column("run_id", Id),  # the newest run that classified one of its photos
    Column("claimed_by", Text),  # the desk that shows it
    Column("claimed_until", Text),
    Index("ix_return_queue_asked_kind_first_seen_return_key", "asked", "kind", "first_seen", "return_key"),
    Index("ix_return_queue_category", "category"),
    Index("ix_return_queue_run_id", "run_id"),
    Index("ix_return_queue_claimed_by", "claimed_by"),
)

# Final decisions that the shop's system has not confirmed yet; written in the transaction of the decision.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("event_id", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("return_key", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False, default=0, server_default="0"),
    Column("next_attempt_at", Text, nullable=False),
    Column("last_error", Text),
    UniqueConstraint("event_id"),
    Index("ix_outbox_next_attempt_at_id", "next_attempt_at", "id"),
)
