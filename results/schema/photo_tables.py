"""The photos, what the model said about them, and by which rule each was decided."""

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
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from results.schema.base import Id, metadata

photos = Table(
    "photos",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
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
        "repeat_of", Id, ForeignKey("photos.id")
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
    Column("id", Id, primary_key=True, autoincrement=True),
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
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("photo_id", Id, ForeignKey("photos.id"), nullable=False),
    Column("run_id", Id, ForeignKey("runs.id"), nullable=False),
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
    Column("rule_id", Id),  # no foreign key: SQLite could not drop the column again
    UniqueConstraint("photo_id", "run_id"),  # a run answers each photo once, whatever happens
    CheckConstraint("decision IN ('accept', 'review')", name="decision"),
    CheckConstraint("match_verdict IN ('match', 'unsure', 'mismatch')", name="match_verdict"),
    Index("ix_predictions_history_photo_id_id", "photo_id", "id"),
    Index("ix_predictions_history_run_id", "run_id"),
    Index("ix_predictions_history_predicted_class_id", "predicted_class", "id"),
    Index("ix_predictions_history_timestamp_id", "timestamp", "id"),
    Index("ix_predictions_history_run_id_predicted_class_decision", "run_id", "predicted_class", "decision"),
)

# The thresholds by which predictions were decided; one row for each set of them.
decision_rules = Table(
    "decision_rules",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
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
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("prediction_id", Id, ForeignKey("predictions_history.id"), nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("was", Text, nullable=False),  # JSON: decision, reason, match_probability, match_verdict, rule_id
    CheckConstraint("cause IN ('manifest', 'threshold')", name="cause"),
    Index("ix_decision_changes_prediction_id", "prediction_id"),
)
