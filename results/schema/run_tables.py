"""What a run did: its counts, its failures, its notes, when the next one is due, and what a purge removed."""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text

from results.schema.base import Id, metadata

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("status", Text, nullable=False),  # running, finished, stopped, interrupted
    Column("exit_code", Integer),
    Column("message", Text),  # why it stopped early
    Column("source", Text, nullable=False),
    Column("found", Integer, nullable=False, default=0),
    Column("classified", Integer, nullable=False, default=0),
    Column("known", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    Column("left", Integer, nullable=False, default=0),
    Column("model_version", Text),
    Column("contract_version", Text),
    Column("shard", Text, nullable=False, default="", server_default=""),  # INDEX/COUNT where several share a source
    Column("total", Integer),  # files that the run will meet, counted at its start
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    CheckConstraint("status IN ('running', 'finished', 'stopped', 'interrupted')", name="status"),
    CheckConstraint('found = classified + known + failed + "left"', name="accounting"),
    Index("ix_runs_status", "status"),
)

# When the schedule of the batch client starts the next run over each source.
planned_runs = Table(
    "planned_runs",
    metadata,
    Column("source", Text, primary_key=True),
    Column("shard", Text, primary_key=True),
    Column("due_at", Text, nullable=False),
    Column("noted_at", Text, nullable=False),
)

# What each run could not classify, the photos that it met again included; a later success does not rewrite it.
run_failures = Table(
    "run_failures",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("photo_id", Id, ForeignKey("photos.id"), primary_key=True),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("is_new", Boolean, nullable=False),
    Index("ix_run_failures_photo_id", "photo_id"),
)

# What a run has to say besides its counts, in the order in which it is told.
run_notes = Table(
    "run_notes",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", Text, nullable=False),  # warning, manifest, left, ignored
    Column("message", Text, nullable=False),
)

# How many rows of each run were purged, so that purged rows are not taken for lost ones.
purged_rows = Table(
    "purged_rows",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("predictions", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
)
