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
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

STORABLE_TEXT = r"^[^\x00]*$"  # a pattern; PostgreSQL refuses text with a zero in it

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
    Column("total", Integer),  # files that the run will meet, counted at its start
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
    Column("expected_category", Text),  # ordered; several of our categories are separated by "|"
    Column(
        "repeat_of", _Id, ForeignKey("photos.id")
    ),  # an earlier photo: the first with the same bytes, or that looks so
    Column("created_at", Text, nullable=False),
    Column("repeat_kind", Text),  # exact (the same bytes), near
    Column("shop_category", Text),  # what the manifest calls the ordered item, in the shop's own words
    Column("product_photo", Text),  # the shop's picture of the ordered item, a path in the source
    # The view shows the prediction of this model: the one that the photo's latest run asked or would have asked.
    Column("model_version", Text),
    Column("contract_version", Text),
    UniqueConstraint("source", "filename", "sha256", "return_id"),
    CheckConstraint("status IN ('classified', 'failed')", name="status"),
    CheckConstraint("repeat_kind IN ('exact', 'near')", name="repeat_kind"),
    Index("ix_photos_sha256", "sha256"),
    Index("ix_photos_repeat_of", "repeat_of"),
    Index("ix_photos_filename_id", "filename", "id", postgresql_ops={"filename": "text_pattern_ops"}),
    Index("ix_photos_return_id", "return_id"),
    Index(
        "ix_photos_product_photo",
        "product_photo",
        sqlite_where=text("product_photo IS NOT NULL"),
        postgresql_where=text("product_photo IS NOT NULL"),
    ),
)

# The shop's pictures of what was ordered. The desk finds their pictures by sha256, as those of photos.
product_photos = Table(
    "product_photos",
    metadata,
    Column("source", Text, primary_key=True),
    Column("path", Text, primary_key=True),  # in the source, as photos.product_photo has it
    Column("sha256", Text),  # of the file; NULL where it could not be read
    Column("problem", Text),  # why there is no picture
    Column("changed_at", Text, nullable=False),
    Index("ix_product_photos_sha256", "sha256"),
)

# What the pictures look like, to find those that look alike; one row for all photos with the same bytes.
fingerprints = Table(
    "fingerprints",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("sha256", Text, nullable=False),
    Column("dhash", BigInteger, nullable=False),  # 64 bits, read as a signed number
    Column("miniature", LargeBinary, nullable=False),  # uint8 [8, 8, 3], RGB
    # The bits of dhash, every third in one: what is alike agrees in at least one of them but for a bit.
    *(Column(f"band{number}", Integer, nullable=False) for number in range(3)),
    UniqueConstraint("sha256"),
    *(Index(f"ix_fingerprints_band{number}_dhash", f"band{number}", "dhash") for number in range(3)),
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
    # Copied from another photo with the same bytes, whom the same model answered.
    Column("reused", Boolean, nullable=False, default=False, server_default=false()),
    # Accepted, and drawn at random for a person to look at. Of the answer, not of the photo: each answer is drawn anew.
    Column("audit", Boolean, nullable=False, default=False, server_default=false()),
    Column("probabilities", LargeBinary),  # float16 [28], little-endian: the classes in order, then the outlier
    Column("match_probability", Float),
    Column("match_verdict", Text),  # match, unsure, mismatch; NULL without an order
    # The row of decision_rules by which it was decided; NULL if the service decided alone, as in rows of before.
    Column("rule_id", _Id),  # no foreign key: SQLite could not drop the column again
    UniqueConstraint("photo_id", "run_id"),  # a run answers each photo once, whatever happens
    CheckConstraint("decision IN ('accept', 'review')", name="decision"),
    CheckConstraint("match_verdict IN ('match', 'unsure', 'mismatch')", name="match_verdict"),
    Index("ix_predictions_history_photo_id_id", "photo_id", "id"),
    Index("ix_predictions_history_run_id", "run_id"),
    Index("ix_predictions_history_predicted_class_id", "predicted_class", "id"),
    Index("ix_predictions_history_timestamp_id", "timestamp", "id"),
    Index("ix_predictions_history_run_id_predicted_class_decision", "run_id", "predicted_class", "decision"),
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
    Column("run_id", _Id, ForeignKey("runs.id"), primary_key=True),
    Column("photo_id", _Id, ForeignKey("photos.id"), primary_key=True),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("is_new", Boolean, nullable=False),
    Index("ix_run_failures_photo_id", "photo_id"),
)

# What a run has to say besides its counts, in the order in which it is told.
run_notes = Table(
    "run_notes",
    metadata,
    Column("run_id", _Id, ForeignKey("runs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", Text, nullable=False),  # warning, manifest, left, ignored
    Column("message", Text, nullable=False),
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
    Column("photo_id", _Id, ForeignKey("photos.id"), primary_key=True),
    Column("prediction_id", _Id, ForeignKey("predictions_history.id"), nullable=False),
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

# The thresholds by which predictions were decided; one row for each set of them.
decision_rules = Table(
    "decision_rules",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("model_version", Text, nullable=False),
    Column("contract_version", Text, nullable=False),
    Column("classes", Text, nullable=False),  # JSON, in the order of the stored probabilities
    Column("accept_threshold", Float, nullable=False),
    Column("unknown_threshold", Float, nullable=False),
    Column("match_threshold", Float, nullable=False),  # that decides: the contract's, or MATCH_THRESHOLD
    Column("mismatch_threshold", Float, nullable=False),
    Column("contract_match_threshold", Float, nullable=False),
    Column("lowest_match_threshold", Float),  # that calibration measured
    Column("highest_match_threshold", Float),
    Column("used_at", Text, nullable=False),  # when a run or a command last decided by it
    UniqueConstraint(
        "model_version",
        "contract_version",
        "accept_threshold",
        "unknown_threshold",
        "match_threshold",
        "mismatch_threshold",
    ),
)

# Decisions that a changed manifest or threshold replaced, as they were before; a prediction row holds the present one.
decision_changes = Table(
    "decision_changes",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("prediction_id", _Id, ForeignKey("predictions_history.id"), nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("was", Text, nullable=False),  # JSON: decision, reason, match_probability, match_verdict, rule_id
    CheckConstraint("cause IN ('manifest', 'threshold')", name="cause"),
    Index("ix_decision_changes_prediction_id", "prediction_id"),
)

# What people decide about whole returns. Append-only: an undo is one more row.
return_decisions = Table(
    "return_decisions",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("return_key", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text),
    Column("note", Text),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Text, nullable=False),
    Column("undoes", _Id, ForeignKey("return_decisions.id")),
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
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("return_key", Text, nullable=False),
    Column("kind", Text, nullable=False),  # note, flagged, unflagged, asked (the lead), withdrawn (the question)
    Column("text", Text),
    Column("person", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    CheckConstraint("kind IN ('note', 'flagged', 'unflagged', 'asked', 'withdrawn')", name="kind"),
    Index("ix_return_events_return_key_id", "return_key", "id"),
    Index("ix_return_events_person_return_key", "person", "return_key"),
)

# What people say about a photo and the earlier photo that it repeats. Append-only: an undo is one more row.
repeat_verdicts = Table(
    "repeat_verdicts",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("photo_id", _Id, ForeignKey("photos.id"), nullable=False),
    Column("earlier_id", _Id, ForeignKey("photos.id"), nullable=False),
    Column("verdict", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("undoes", _Id, ForeignKey("repeat_verdicts.id")),
    CheckConstraint("verdict IN ('same_item', 'another_item', 'undone')", name="verdict"),
    Index("ix_repeat_verdicts_photo_id", "photo_id"),
    Index("ix_repeat_verdicts_earlier_id", "earlier_id"),
    Index("ix_repeat_verdicts_undoes", "undoes"),
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
    Column("run_id", _Id),  # the newest run that classified one of its photos
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
    Column("id", _Id, primary_key=True, autoincrement=True),
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
