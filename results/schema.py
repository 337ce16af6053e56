"""The tables, as SQLAlchemy Core knows them; ``migrations/`` is what creates them and the view on them.

Times are text, ISO 8601 in UTC with a ``Z``: they sort as they read, and look alike in SQLite and PostgreSQL.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    column,
    false,
    table,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column of type INTEGER.
_Id = BigInteger().with_variant(Integer(), "sqlite")

runs = Table(
    "runs",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
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
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    CheckConstraint("status IN ('running', 'finished', 'stopped', 'interrupted')", name="status"),
    CheckConstraint('found = classified + known + failed + "left"', name="accounting"),
    Index("ix_runs_status", "status"),
)

photos = Table(
    "photos",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("filename", Text, nullable=False),  # relative to the source, with "/"
    Column("sha256", Text, nullable=False),  # hex; empty when the file could not be read
    # Empty rather than NULL, because NULLs are never equal and the constraint below would not hold.
    Column("return_id", Text, nullable=False, default=""),
    Column("bytes", BigInteger, nullable=False),
    Column("status", Text, nullable=False),  # classified, failed
    Column("error_code", Text),
    Column("error_message", Text),
    # The failure lies in the photo itself: while it is unchanged, sending it again would change nothing.
    Column("photo_fault", Boolean, nullable=False, default=False, server_default=false()),
    Column("expected_category", Text),
    Column("repeat_of", _Id, ForeignKey("photos.id")),  # the earliest photo with the same bytes
    Column("audit", Boolean, nullable=False, default=False, server_default=false()),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("source", "filename", "sha256", "return_id"),
    CheckConstraint("status IN ('classified', 'failed')", name="status"),
    Index("ix_photos_sha256", "sha256"),
    Index("ix_photos_repeat_of", "repeat_of"),
)

predictions_history = Table(
    "predictions_history",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("photo_id", _Id, ForeignKey("photos.id"), nullable=False),
    Column("run_id", _Id, ForeignKey("runs.id"), nullable=False),
    Column("predicted_class", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("decision", Text, nullable=False),  # accept, review
    Column("reason", Text),
    Column("top3", Text, nullable=False),  # JSON
    Column("model_version", Text, nullable=False),
    Column("contract_version", Text, nullable=False),
    Column("timestamp", Text, nullable=False),
    Column("reused", Boolean, nullable=False, default=False, server_default=false()),
    UniqueConstraint("photo_id", "run_id"),  # a run answers each photo once, whatever happens
    CheckConstraint("decision IN ('accept', 'review')", name="decision"),
    Index("ix_predictions_history_photo_id_id", "photo_id", "id"),
    Index("ix_predictions_history_run_id", "run_id"),
)

# What each run could not classify, the photos that it met again included; a later success does not rewrite it.
run_failures = Table(
    "run_failures",
    metadata,
    Column("run_id", _Id, ForeignKey("runs.id"), primary_key=True),
    Column("photo_id", _Id, ForeignKey("photos.id"), primary_key=True),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("is_new", Boolean, nullable=False),
    Index("ix_run_failures_photo_id", "photo_id"),
)

# How many rows of each run were purged, so that purged rows are not taken for lost ones.
purged_rows = Table(
    "purged_rows",
    metadata,
    Column("run_id", _Id, ForeignKey("runs.id"), primary_key=True),
    Column("predictions", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("photo_id", _Id, ForeignKey("photos.id"), nullable=False),
    Column("prediction_id", _Id, ForeignKey("predictions_history.id"), nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("from_class", Text, nullable=False),
    Column("to_class", Text),
    Column("undoes", _Id, ForeignKey("reviews.id")),
    Column("created_at", Text, nullable=False),
    Index("ix_reviews_photo_id", "photo_id"),
    Index("ix_reviews_prediction_id", "prediction_id"),
    Index("ix_reviews_undoes", "undoes"),
)

# The view that readers of the database rely on: a photo record and its newest prediction.
PREDICTION_COLUMNS = (
    "photo_id",
    "filename",
    "predicted_class",
    "confidence",
    "timestamp",
    "decision",
    "reason",
    "model_version",
    "contract_version",
    "run_id",
    "sha256",
    "top3",
    "source",
    "return_id",
    "expected_category",
    "mismatch",
    "repeat_of",
)
predictions = table("predictions", *(column(name) for name in PREDICTION_COLUMNS))
